import type { RedisServer } from '../../../testkit/redis-server.ts';
import { ACCESS_TOKEN } from '../../baselines/baseline.ts';
import type { Coatcheck } from '../../coatcheck.ts';
import { listKeys, copyKeys } from '../../redis/copies.ts';
import { usedMemory } from '../../redis/statistics.ts';
import type { Fixture } from '../../fixture.ts';

/** A gateway with its own Redis and signed-in users. */
export type PopulatedGateway = {
  gateway: Coatcheck;
  redis: RedisServer;
  cookies: string[];
  /** The keys that one sign-in creates in Redis: the record and its indexes. */
  pattern: string[];
};

/** The number of signed-in users. */
const PEOPLE = 256;
/** The gateway writes a used session again after a twentieth of this time: 18 s. */
const IDLE_TIMEOUT = '6m';

/** Starts a gateway and signs users in. */
export async function openPopulatedGateway(fixture: Fixture, redis: RedisServer): Promise<PopulatedGateway> {
  const gateway = await fixture.coatcheck({
    keyPrefix: 'many:',
    redisUrl: redis.rootUrl,
    session: { cache: { maxAge: '0s' }, idleTimeout: IDLE_TIMEOUT },
    config: { rateLimit: { login: 0, callback: 0 } },
  });
  const cookies = await gateway.signIn(Array.from({ length: PEOPLE - 1 }, (_, at) => `person-${at}`));
  const before = await listKeys(redis);
  cookies.push(...(await gateway.signIn(['the last person'])));
  const left = [...(await listKeys(redis))].filter((key) => !before.has(key));
  const lives = await Promise.all(left.map(async (key) => Number(await redis.command('PTTL', key))));
  // Keys with a TTL of seconds, such as locks, do not belong to the session.
  return { gateway, redis, cookies, pattern: left.filter((_, at) => (lives[at] ?? 0) > 60_000) };
}

/** The kind of a key: its name without prefix and random part. */
export function kindOf(key: string): string {
  return key.split(':').slice(1, -1).join(':');
}

/** Creates sessions up to `count` and returns the memory per session, in bytes. */
export async function populate({ redis, pattern }: PopulatedGateway, count: number): Promise<number> {
  const copies = count - PEOPLE;
  const before = await usedMemory(redis);
  await copyKeys(redis, pattern, copies);
  return ((await usedMemory(redis)) - before) / copies;
}

/** The memory of a key with tokens of the same size as plain JSON, in bytes, as the obvious wiring stores them. */
export async function measureJsonBytes(redis: RedisServer, count: number): Promise<number> {
  const key = `session:${'x'.repeat(43)}`;
  const tokens = { accessToken: ACCESS_TOKEN, refreshToken: 'x'.repeat(43), idToken: ACCESS_TOKEN };
  await redis.command('SET', key, JSON.stringify(tokens), 'EX', 3600);
  const before = await usedMemory(redis);
  await copyKeys(redis, [key], count);
  return ((await usedMemory(redis)) - before) / count;
}
