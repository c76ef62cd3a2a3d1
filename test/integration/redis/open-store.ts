import { storeAddress } from '../../../src/config/values/store-address.ts';
import { createEnvelopes } from '../../../src/crypto/envelope.ts';
import { createBlindIndex } from '../../../src/crypto/blind-index.ts';
import { createKeyRing } from '../../../src/crypto/key-ring.ts';
import { createSealedTimes } from '../../../src/crypto/sealed-time.ts';
import { createLogger } from '../../../src/observability/log.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { createRedisConnection } from '../../../src/redis/connection.ts';
import { createRecordCodec } from '../../../src/sessions/store/record/record.ts';
import { createRedisStore } from '../../../src/sessions/store/redis/store.ts';
import type { SessionStore } from '../../../src/sessions/store/store.ts';
import { SESSION_SECRET } from '../../../testkit/gateway/gateway-config.ts';

/** Opens the store at a `session.store` address. */
export function openStoreAt(url: string): SessionStore {
  const address = storeAddress.parse(url);
  if (address.kind === 'memory') throw new Error('the address is not a Redis address');
  const log = createLogger({ level: 'fatal', format: 'json' });
  const metrics = createMetrics();
  const redis = createRedisConnection({ address, log, metrics });
  const keyRing = createKeyRing([SESSION_SECRET]);
  const codec = createRecordCodec(createEnvelopes(keyRing));
  const blindIndex = createBlindIndex(keyRing);
  return createRedisStore({
    redis,
    codec,
    idleLimits: createSealedTimes(keyRing),
    blindIndex,
    keyPrefix: 'coatcheck:',
    clock: Date.now,
    log,
    metrics,
  });
}
