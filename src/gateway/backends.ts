import type { Config } from '../config/schema/schema.ts';
import { createBlindIndex } from '../crypto/blind-index.ts';
import { createEnvelopes } from '../crypto/envelope.ts';
import { createRedisSharedTokens, noSharedTokens, type SharedTokens } from '../grants/shared-tokens.ts';
import { createSealedTimes } from '../crypto/sealed-time.ts';
import { createRedisConnection } from '../redis/connection.ts';
import { createRightsCheck } from '../redis/rights.ts';
import { createRedisRateCounters, type RateCounters } from '../redis/rate-counter.ts';
import { createLocalLocks } from '../redis/lock/local-locks.ts';
import type { Locks } from '../redis/lock/locks.ts';
import { createRedisLocks } from '../redis/lock/redis-locks.ts';
import {
  createLocalPollSchedule,
  createRedisPollSchedule,
  type PollSchedule,
} from '../redis/poll-schedule.ts';
import { createMemoryStore } from '../sessions/store/memory-store.ts';
import { createRecordCodec } from '../sessions/store/record/record.ts';
import { createRedisOutbox } from '../sessions/revocation/redis-outbox.ts';
import { createRedisPeerKeys, noPeerKeys, type PeerKeys } from '../sessions/store/redis/peer-keys.ts';
import { createRedisStore } from '../sessions/store/redis/store.ts';
import type { RevocationOutbox } from '../sessions/revocation/outbox.ts';
import type { SessionStore } from '../sessions/store/store.ts';
import { revocationLeaseMs } from '../timing.ts';
import type { Core } from './core.ts';

/** The state shared by all processes of a deployment: in Redis, or in memory for a single process. */
export type Backends = {
  readonly store: SessionStore;
  readonly locks: Locks;
  readonly rateCounters: RateCounters | undefined;
  readonly pollSchedule: PollSchedule;
  readonly outbox: RevocationOutbox | undefined;
  readonly sharedTokens: SharedTokens;
  readonly peerKeys: PeerKeys;
  /** The rights that the Redis user lacks, in the syntax of `ACL SETUSER`; empty for good once they are complete. */
  missingRights(): Promise<readonly string[]>;
};

/** `current` gives the configuration in force, for the few settings of a backend that a reload changes. */
export function openBackends(
  { config, keyRing, claimSelection, clock, log, metrics }: Core,
  current: () => Config,
): Backends {
  const { store: address, keyPrefix } = config.session;
  if (address.kind === 'memory') {
    log.warn(
      'sessions are stored in memory and lost when this process exits; set session.store to use Redis',
    );
    metrics.storeUp(1);
    return {
      store: createMemoryStore({ clock, claimSelection }),
      locks: createLocalLocks(),
      rateCounters: undefined,
      pollSchedule: createLocalPollSchedule(clock),
      outbox: undefined,
      sharedTokens: noSharedTokens,
      peerKeys: noPeerKeys,
      missingRights: async () => [],
    };
  }
  const redis = createRedisConnection({ address, access: config.session, log, metrics });
  const envelopes = createEnvelopes(keyRing);
  const codec = createRecordCodec(envelopes);
  const blindIndex = createBlindIndex(keyRing);
  return {
    store: createRedisStore({
      redis,
      codec,
      idleLimits: createSealedTimes(keyRing),
      blindIndex,
      keyPrefix,
      claimSelection,
      clock,
      log,
      metrics,
    }),
    locks: createRedisLocks({
      redis,
      keyPrefix,
      get ttlMs() {
        return current().refresh.lockTtl;
      },
      log,
    }),
    rateCounters: createRedisRateCounters({ redis, keyPrefix }),
    pollSchedule: createRedisPollSchedule({ redis, keyPrefix }),
    outbox: createRedisOutbox({
      redis,
      envelopes,
      keyPrefix,
      get leaseMs() {
        return revocationLeaseMs(current().provider);
      },
      clock,
      log,
    }),
    sharedTokens: createRedisSharedTokens({ redis, envelopes, blindIndex, keyPrefix }),
    peerKeys: createRedisPeerKeys({
      redis,
      keyPrefix,
      ownIds: () => keyRing.all('session-cookie').map(({ id }) => id),
    }),
    missingRights: createRightsCheck({ redis, keyPrefix, log }),
  };
}
