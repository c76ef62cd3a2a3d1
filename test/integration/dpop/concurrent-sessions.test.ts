import { decodeJwt } from 'jose';
import { expect, it } from 'vitest';
import { openDpopFixture } from './fixture.ts';

const USERS = 8;
const CALLS = 6;

it('concurrent calls of many sessions, of which half are repeated for a nonce, have the key and token of their own (standards: G25)', async () => {
  const { browser, upstream, protect, provider } = await openDpopFixture();
  const agents = await Promise.all(
    Array.from({ length: USERS }, async (_, at) => {
      const agent = browser();
      await agent.signIn('/', { loginHint: `user-${at}` });
      return agent;
    }),
  );
  // Token and key are verified first. Then every second call needs a nonce that only its own refusal tells.
  protect(async (_request, response, record) => {
    await record.readBody();
    const nonce = /nonce-.*/.exec(record.target)?.[0];
    const sent = decodeJwt(record.header('dpop') ?? '')['nonce'];
    if (nonce !== undefined && nonce !== sent) {
      const challenge = 'DPoP error="use_dpop_nonce"';
      response.writeHead(401, { 'www-authenticate': challenge, 'dpop-nonce': nonce }).end();
      return;
    }
    const token = record.header('authorization') ?? '';
    const family = provider.families.find(({ accessTokens }) =>
      accessTokens.some((each) => token.endsWith(each.token)),
    );
    response.end(family?.grant.subject);
  });

  const calls = agents.flatMap((agent, at) =>
    Array.from({ length: CALLS }, async (_, call) => {
      const path = call % 2 === 0 ? `/api/nonce-${at}-${call}` : `/api/${at}-${call}`;
      return [`user-${at}`, (await agent.fetch(path)).text()];
    }),
  );
  for (const [user, caller] of await Promise.all(calls)) expect(caller).toBe(user);
  expect(upstream.requests).toHaveLength(1.5 * USERS * CALLS);
});
