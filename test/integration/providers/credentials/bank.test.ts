import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { startBank, statingLifetimes, type Bank } from '../../../../testkit/providers/bank.ts';
import { openProviderFixture } from '../../../../testkit/providers/provider-fixture.ts';
import { describeProvider } from '../../../../testkit/providers/suite.ts';
import type { UserAgent } from '../../../../testkit/user-agent/user-agent.ts';

const habits = {
  lifeMs: 300_000,
  rotation: 'spent',
  reuse: 'ends the session',
  signOut: 'here',
  revokes: true,
} as const;

let bank: Bank;
/** The user approves the sign-in on another device at once. */
async function signInOnOtherDevice(agent: UserAgent): Promise<void> {
  bank.approvals.intervalSeconds = 0.05;
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ login_hint: 'alice' });
  const begun = await agent.fetch('/auth/decoupled', { method: 'POST', headers, body });
  if (begun.status !== 202) throw new Error(`the sign-in did not begin: ${begun.status} ${begun.text()}`);
  for (const approval of bank.approvals.all) approval.state = 'approved';
  await sleep(60);
  const response = await agent.fetch('/auth/decoupled');
  if (response.status !== 200) throw new Error(`the sign-in failed: ${response.status} ${response.text()}`);
}

const open = async (clock: () => number) => (bank = statingLifetimes(await startBank(clock)));
describeProvider({ ...habits, name: 'a bank, by redirect', open });
describeProvider({ ...habits, name: 'a bank, on another device', open, signIn: signInOnOtherDevice });

describeProvider({
  ...habits,
  name: 'a plain OAuth 2.0 server that requires forms and names the subject in its token response',
  open: async (clock) => {
    const server = await startBank(clock);
    server.format = 'form';
    server.patch = (response, subject) => ({
      ...response,
      expires_in: server.lifeSeconds,
      user_id: `customer-${subject}`,
    });
    const { register } = server;
    return Object.assign(server, {
      register(baseUrl: string) {
        // A key that is undefined counts as not written.
        const without = {
          decoupledEndpoint: undefined,
          decoupledTokenEndpoint: undefined,
          userinfoEndpoint: undefined,
        };
        const others = { login: 'redirect', subject: '/user_id', requestFormat: 'form' };
        return { ...register(baseUrl), ...without, ...others };
      },
    });
  },
});

it.each([
  ['by redirect', (agent: UserAgent) => agent.signIn()],
  ['on another device', signInOnOtherDevice],
])(
  'a bank works %s with token responses that contain only the type, the access token and the refresh token',
  async (_how, signIn) => {
    const fixture = await openProviderFixture({
      open: async (clock) => (bank = await startBank(clock)),
      signIn: async (agent) => void (await signIn(agent)),
    });
    const responses: unknown[] = [];
    bank.patch = (response) => (responses.push(Object.keys(response)), response);
    try {
      await fixture.signIn();
      for (let round = 0; round < 3; round += 1) {
        // The gateway learns from the 401 of the API that the token has expired.
        const calls = ['one', 'two', 'three'].map((name) => fixture.agent.fetch(`/api/${name}`));
        expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([200, 200, 200]);
        fixture.advance(301_000);
      }
      expect(fixture.spent()).toEqual([1, 1, 0]);
      // An upload that the gateway cannot repeat gets the 401. The next attempt has the new token.
      const headers = { 'content-type': 'application/octet-stream' };
      const upload = { method: 'POST', headers, body: 'x'.repeat(100_000) };
      expect((await fixture.agent.fetch('/api/files', upload)).status).toBe(401);
      expect((await fixture.agent.fetch('/api/files', upload)).status).toBe(200);
      expect(fixture.spent()).toEqual([1, 1, 1, 0]);
      expect(responses).toEqual(Array(4).fill(['token_type', 'access_token', 'refresh_token']));
    } finally {
      await fixture.close();
    }
  },
);
