import { startOkta } from '../../../testkit/providers/named/okta.ts';
import { describeProvider } from '../../../testkit/providers/suite.ts';

describeProvider({
  name: 'Okta',
  open: startOkta,
  lifeMs: 3_600_000,
  rotation: 'spent',
  reuse: 'ends the session',
  signOut: 'there',
  revokes: true,
});
