import { Redis } from 'ioredis';
import { expect, it, onTestFinished } from 'vitest';
import { startRedis } from '../../../testkit/redis/redis-server.ts';
import { openDpopFixture } from './fixture.ts';

/** A gateway on a Redis that the test can write to. */
async function open() {
  const redis = await startRedis();
  const client = new Redis(redis.rootUrl);
  onTestFinished(async () => {
    client.disconnect();
    await redis.close();
  });
  const fixture = await openDpopFixture({
    store: redis.url,
    config: { session: { cache: { maxAge: '0s' } } },
  });
  const signIn = async (loginHint: string) => {
    const known = await client.keys('coatcheck:session:*');
    const agent = fixture.browser();
    await agent.signIn('/', { loginHint });
    const [key = ''] = (await client.keys('coatcheck:session:*')).filter((each) => !known.includes(each));
    return { agent, key };
  };
  return { ...fixture, client, signIn };
}

it('the record of another session, with its token and key, cannot be opened in the place of this one (standards: E5, G25)', async () => {
  const { signIn, client, upstream } = await open();
  const [victim, thief] = [await signIn('alice'), await signIn('bob')];
  const [own, stolen] = [await client.hgetallBuffer(thief.key), await client.hgetallBuffer(victim.key)];
  await client.hset(thief.key, stolen);
  expect((await thief.agent.fetch('/api/a')).json()).toMatchObject({ status: 401, code: 'session_expired' });
  expect(upstream.requests).toEqual([]);
  // Nor its sealed part alone, beside the clear fields of the own record.
  await client.hset(thief.key, { ...own, e: stolen['e'] ?? '' });
  expect((await thief.agent.fetch('/api/a')).status).toBe(401);
  expect((await victim.agent.fetch('/api/a')).status).toBe(200);
});
