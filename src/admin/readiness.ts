import { shareRuns } from '../concurrency/shared-run.ts';
import type { Provider } from '../provider/provider.ts';
import type { SessionStore } from '../sessions/store/store.ts';
import { STORE_TEST_PAUSE_MS } from '../timing.ts';

/** The state of one dependency, or of shutdown. */
export type Check = { name: 'store' | 'provider' | 'draining'; ok: boolean; detail: string };

/** Decides whether the gateway should receive traffic. */
export type Readiness = {
  /** Starts to test the store, until a test has succeeded. */
  start(): void;
  /** Returns what is known, without I/O, and starts a test of the store whose result the next call returns. */
  checks(): readonly Check[];
  /** Makes the gateway not ready for the rest of its life, because it is shutting down. */
  drain(): void;
};

/**
 * Ready means that the gateway has reached the store, with all rights there, and the provider at least once. A later outage does not make it
 * unready: it affects every replica, and sessions with a valid access token still work.
 */
export function createReadiness(deps: {
  store: Pick<SessionStore, 'ping' | 'wasReachable' | 'isReachable'>;
  /** The rights that the gateway lacks in the store. */
  missingRights: () => Promise<readonly string[]>;
  /** The provider in force. */
  provider: () => Provider;
}): Readiness {
  const { store } = deps;
  let draining = false;
  /** Undefined until the rights have been tested. */
  let missing: readonly string[] | undefined;

  /** Shared: while the store hangs, probes do not add to the commands that wait. */
  const startTest = shareRuns(async () => {
    try {
      await store.ping();
      missing = await deps.missingRights();
    } catch {
      // The connection logs an outage.
    }
  });
  const testUntilKnown = async () => {
    await startTest();
    if (missing === undefined && !draining)
      setTimeout(() => void testUntilKnown(), STORE_TEST_PAUSE_MS).unref();
  };

  const describeStore = (): Check => {
    if (!store.wasReachable()) return { name: 'store', ok: false, detail: 'not reached since the start' };
    // Before an outage: without a right, some commands fail as in one.
    if (missing !== undefined && missing.length > 0)
      return { name: 'store', ok: false, detail: `the Redis user lacks ${missing.join(' ')}` };
    const ok = missing !== undefined;
    if (!store.isReachable()) return { name: 'store', ok, detail: 'unreachable; it was reachable earlier' };
    return { name: 'store', ok, detail: ok ? 'reachable' : 'reachable; its rights are being tested' };
  };

  return {
    start: () => void testUntilKnown(),
    checks() {
      if (!draining) void startTest();
      const { state, notReadyReason } = deps.provider();
      const provider = {
        up: 'reachable',
        down: 'unreachable; it was reachable earlier',
        unknown: ['not ready since the start', notReadyReason()].filter(Boolean).join(': '),
      }[state()];
      return [
        describeStore(),
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
