import { signInWithPassword, startVendorApi } from '../../../../testkit/providers/vendor-api.ts';
import { describeProvider } from '../../../../testkit/providers/suite.ts';

describeProvider({
  name: 'a vendor API',
  open: startVendorApi,
  signIn: signInWithPassword,
  lifeMs: 3_600_000,
  rotation: 'spent',
  reuse: 'is rejected',
  signOut: 'here',
  revokes: false,
});
