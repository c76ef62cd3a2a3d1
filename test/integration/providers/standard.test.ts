import { startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { describeProvider } from '../../../testkit/providers/suite.ts';

describeProvider({
  name: 'a provider that keeps every rule',
  open: (clock) => startFakeProvider({ clock }),
  lifeMs: 300_000,
  rotation: 'spent',
  reuse: 'ends the session',
  signOut: 'there',
  revokes: true,
});
