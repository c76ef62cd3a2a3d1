import type { RedisServer } from '../../../testkit/redis/redis-server.ts';
import type { Coatcheck } from '../../coatcheck.ts';
import type { Fixture } from '../../fixture.ts';
import { copyKeys, listKeys } from './redis.ts';

/** A gateway with its own Redis, signed-in users, and copies of a session. */
export type PopulatedGateway = {
  gateway: Coatcheck;
  redis: RedisServer;
  cookies: string[];
  /** The kinds of the keys that one sign-in creates in Redis: the record and its indexes. */
  kinds: string[];
  bytesASession: number;
};

/** The number of signed-in users. */
const PEOPLE = 256;
/** The gateway writes a used session again after a twentieth of this time: 18 s. */
const IDLE_TIMEOUT = '6m';

/** Starts a gateway, signs users in, and copies what the last sign-in stored until there are `count` sessions. */
export async function openPopulatedGateway(
  fixture: Fixture,
  redis: RedisServer,
  count: number,
): Promise<PopulatedGateway> {
  const gateway = await fixture.coatcheck({
    keyPrefix: 'many:',
    redisUrl: redis.rootUrl,
    session: { cache: { maxAge: '0s' }, idleTimeout: IDLE_TIMEOUT },
    config: { rateLimit: { login: 0, callback: 0 } },
  });
  const cookies = await gateway.signIn(Array.from({ length: PEOPLE - 1 }, (_, at) => `person-${at}`));
  const before = await listKeys(redis);
  cookies.push(...(await gateway.signIn(['the last person'])));
  const added = [...(await listKeys(redis))].filter((key) => !before.has(key));
  const lives = await Promise.all(added.map(async (key) => Number(await redis.command('PTTL', key))));
  // Keys with a TTL of seconds, such as locks, do not belong to the session.
  const keys = added.filter((_, at) => (lives[at] ?? 0) > 60_000);
  const bytesASession = await copyKeys(redis, keys, count - PEOPLE);
  // The kind of a key is its name without prefix and random part.
  const kinds = keys.map((key) => key.split(':').slice(1, -1).join(':'));
  return { gateway, redis, cookies, kinds, bytesASession };
}
