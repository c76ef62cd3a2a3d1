import { startVendorApi, ACCOUNTS } from '../../../testkit/providers/vendor-api.ts';
import { describeProvider } from '../../../testkit/providers/suite.ts';

describeProvider({
  name: 'a vendor API',
  open: startVendorApi,
  signIn: async (agent) => {
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ username: 'alice', password: ACCOUNTS['alice'] });
    const response = await agent.fetch('/auth/login', { method: 'POST', headers, body });
    if (response.status !== 204) throw new Error(`the sign-in failed: ${response.status} ${response.text()}`);
  },
  lifeMs: 3_600_000,
  rotation: 'spent',
  reuse: 'is rejected',
  signOut: 'here',
  revokes: false,
});
