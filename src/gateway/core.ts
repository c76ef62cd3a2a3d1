import type { Config } from '../config/schema/schema.ts';
import { createKeyRing, type KeyRing } from '../crypto/key-ring.ts';
import { createLogger, type Logger } from '../observability/log.ts';
import { createMetrics, type Metrics } from '../observability/metrics.ts';

/** The dependencies that most other parts of a gateway use. */
export type Core = {
  readonly config: Config;
  readonly log: Logger;
  readonly clock: () => number;
  readonly metrics: Metrics;
  readonly keyRing: KeyRing;
  /** True when `baseUrl` is https. */
  readonly secure: boolean;
};

export function createCore(
  config: Config,
  { log = createLogger(config.log), clock = Date.now }: { log?: Logger; clock?: () => number },
): Core {
  return {
    config,
    log,
    clock,
    metrics: createMetrics(),
    keyRing: createKeyRing(config.session.secrets),
    secure: config.baseUrl.startsWith('https:'),
  };
}
