import type { RedisServer } from '../../../testkit/redis-server.ts';
import { ACCESS_TOKEN } from '../../baselines/baseline.ts';
import type { Coatcheck } from '../../coatcheck.ts';
import { listKeys, copyKeys } from '../../redis/copies.ts';
import { usedMemory } from '../../redis/statistics.ts';
import type { Fixture } from '../../fixture.ts';

/** A gateway with a Redis of its own, in which people are signed in. */
export type PopulatedGateway = {
  gateway: Coatcheck;
  redis: RedisServer;
  cookies: string[];
  /** The keys that one more sign-in leaves in Redis: the record, and its indexes. */
  pattern: string[];
};

/** How many people are signed in. */
const PEOPLE = 256;
/** Whoever is seen a twentieth of that later is written down again: 18 s. */
const IDLE_TIMEOUT = '6m';

/** Starts a gateway, and signs people in. */
export async function openPopulatedGateway(fixture: Fixture, redis: RedisServer): Promise<PopulatedGateway> {
  const gateway = await fixture.coatcheck({
    keyPrefix: 'many:',
    redisUrl: redis.url,
    session: { cache: { maxAge: '0s' }, idleTimeout: IDLE_TIMEOUT },
    config: { rateLimit: { login: 0, callback: 0 } },
  });
  const cookies = await gateway.signIn(Array.from({ length: PEOPLE - 1 }, (_, at) => `person-${at}`));
  const before = await listKeys(redis);
  cookies.push(...(await gateway.signIn(['the last person'])));
  const left = [...(await listKeys(redis))].filter((key) => !before.has(key));
  const lives = await Promise.all(left.map(async (key) => Number(await redis.command('PTTL', key))));
  // What lives for seconds only, such as a lock, is no part of a session.
  return { gateway, redis, cookies, pattern: left.filter((_, at) => (lives[at] ?? 0) > 60_000) };
}

/** The kind of a key: its name without what is random in it. */
export function kindOf(key: string): string {
  return key.split(':').slice(1, -1).join(':');
}

/** Makes as many sessions as are wanted, and gives the memory that each takes, in bytes. */
export async function populate({ redis, pattern }: PopulatedGateway, count: number): Promise<number> {
  const copies = count - PEOPLE;
  const before = await usedMemory(redis);
  await copyKeys(redis, pattern, copies);
  return ((await usedMemory(redis)) - before) / copies;
}

/** The memory of a key that holds tokens of the same size as JSON, in bytes: what the obvious wiring keeps. */
export async function measureJsonBytes(redis: RedisServer, count: number): Promise<number> {
  const key = `session:${'x'.repeat(43)}`;
  const tokens = { accessToken: ACCESS_TOKEN, refreshToken: 'x'.repeat(43), idToken: ACCESS_TOKEN };
  await redis.command('SET', key, JSON.stringify(tokens), 'EX', 3600);
  const before = await usedMemory(redis);
  await copyKeys(redis, [key], count);
  return ((await usedMemory(redis)) - before) / count;
}
