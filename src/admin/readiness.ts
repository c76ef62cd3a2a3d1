import { withTimeout } from '../concurrency/with-timeout.ts';
import type { Provider } from '../provider/provider.ts';
import type { SessionStore } from '../sessions/store/store.ts';
import { READINESS_CHECK_TIMEOUT_MS } from '../timing.ts';

/** The state of one dependency, or of shutdown. */
export type Check = { name: 'store' | 'provider' | 'draining'; ok: boolean; detail: string };

/** Decides whether the gateway should receive traffic. */
export type Readiness = {
  checks(): Promise<readonly Check[]>;
  /** Makes the gateway not ready for the rest of its life, because it is shutting down. */
  drain(): void;
};

/**
 * Ready means that the gateway has reached the store, with all rights there, and the provider at least once. A later outage does not make it
 * unready: it affects every replica, and sessions with a valid access token still work.
 */
export function createReadiness(deps: {
  store: SessionStore;
  /** The rights that the gateway lacks in the store. */
  missingRights: () => Promise<readonly string[]>;
  /** The provider in force. */
  provider: () => Provider;
}): Readiness {
  let draining = false;
  /** Undefined until the rights have been tested. */
  let hasRights: boolean | undefined;

  const testStore = async (): Promise<string> => {
    await deps.store.ping();
    const missing = await deps.missingRights();
    hasRights = missing.length === 0;
    return hasRights ? 'reachable' : `the Redis user lacks ${missing.join(' ')}`;
  };

  return {
    async checks() {
      const unreachableDetail = () =>
        deps.store.wasReachable() ? 'unreachable; it was reachable earlier' : 'not reached since the start';
      const tested = testStore().catch(unreachableDetail);
      const store = (await withTimeout(tested, READINESS_CHECK_TIMEOUT_MS)) ?? unreachableDetail();
      const { state, notReadyReason } = deps.provider();
      const provider = {
        up: 'reachable',
        down: 'unreachable; it was reachable earlier',
        unknown: ['not ready since the start', notReadyReason()].filter(Boolean).join(': '),
      }[state()];
      return [
        { name: 'store', ok: deps.store.wasReachable() && hasRights !== false, detail: store },
        { name: 'provider', ok: state() !== 'unknown', detail: provider },
        ...(draining
          ? [{ name: 'draining', ok: false, detail: 'the gateway is shutting down' } as const]
          : []),
      ];
    },
    drain() {
      draining = true;
    },
  };
}
