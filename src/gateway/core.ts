import { claimsInUse } from '../config/claims-in-use.ts';
import type { Config } from '../config/schema/schema.ts';
import type { ForgedSealLimit } from '../crypto/sealed-cookie.ts';
import { createKeyRing, type KeyRing } from '../crypto/key-ring.ts';
import { createSigningKeys, type SigningKeys } from '../crypto/signing-keys.ts';
import { createFailureLimit } from '../http/rate-limit/failure-limit.ts';
import { createPseudonyms } from '../crypto/pseudonyms.ts';
import { createAudit, type Audit } from '../observability/audit.ts';
import type { Tracing } from '../observability/tracing/tracing.ts';
import { createLogger, type Logger } from '../observability/log.ts';
import type { HostRegistry } from '../observability/host-registry.ts';
import { countSignIns } from '../observability/sign-ins.ts';
import { createClaimSelection, type ClaimSelection } from '../sessions/store/claim-selection.ts';
import { openTracing } from './tracing.ts';
import { createMetrics, type Metrics } from '../observability/metrics.ts';

/** The dependencies that most other parts of a gateway use. */
export type Core = {
  /** The configuration; a reload creates a core with another one. */
  readonly config: Config;
  readonly log: Logger;
  readonly clock: () => number;
  readonly metrics: Metrics;
  readonly audit: Audit;
  /** Undefined if the environment names no collector: then nothing of it runs. */
  readonly tracing: Tracing | undefined;
  readonly keyRing: KeyRing;
  /** The keys of `keys`. */
  readonly signingKeys: SigningKeys;
  /** Counts the forged session and sign-in cookies of each client address. */
  readonly forgedSeals: ForgedSealLimit;
  /** The claims that the sessions in memory have. */
  readonly claimSelection: ClaimSelection;
  /** True when `baseUrl` is https. */
  readonly secure: boolean;
};

/** How many forged cookies one address may send in a minute to one process. */
const FORGED_SEALS_PER_MINUTE = 120;

/** The dependencies that a caller may replace. */
export type CoreOverrides = {
  log?: Logger;
  clock?: () => number;
  /** Another registry that gets the gateway's metrics. */
  registry?: HostRegistry;
};

export function createCore(
  config: Config,
  current: () => Config,
  { log = createLogger(config.log), clock = Date.now, registry }: CoreOverrides,
): Core {
  const claimSelection = createClaimSelection();
  claimSelection.include(claimsInUse(config));
  const keyRing = createKeyRing(config.session.secrets);
  const metrics = createMetrics(registry);
  return {
    ...configured(config),
    claimSelection,
    log,
    clock,
    metrics,
    tracing: openTracing({ current, log, metrics }),
    audit: countSignIns(
      createAudit({ settings: config.audit, log, pseudonyms: createPseudonyms(keyRing), clock }),
      metrics,
    ),
    keyRing,
    signingKeys: createSigningKeys(config.keys),
    forgedSeals: createFailureLimit({ name: 'forgedCookies', perMinute: FORGED_SEALS_PER_MINUTE, clock }),
  };
}

/** The same core for another configuration. */
export function withConfig(core: Core, config: Config): Core {
  return { ...core, ...configured(config) };
}

function configured(config: Config): Pick<Core, 'config' | 'secure'> {
  return { config, secure: config.baseUrl.startsWith('https:') };
}
