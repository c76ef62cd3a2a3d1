import { startRealProvider } from '../../../../testkit/providers/real-provider.ts';
import { describeProvider } from '../../../../testkit/providers/suite.ts';

describeProvider({
  name: 'oidc-provider',
  open: (clock) => startRealProvider({ clock }),
  async confirmSignOut(agent, page) {
    const form = new URLSearchParams();
    for (const [, name = '', value = ''] of page.text().matchAll(/name="(\w+)" value="(\w+)"/g)) {
      form.set(name, value);
    }
    form.set('logout', 'yes');
    const action = /action="([^"]+)"/.exec(page.text())?.[1] ?? '';
    const { response } = await agent.navigate(action, { form: Object.fromEntries(form) });
    return response;
  },
  lifeMs: 300_000,
  rotation: 'spent',
  reuse: 'ends the session',
  signOut: 'there',
  revokes: true,
});
