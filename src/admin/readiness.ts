import { withTimeout } from '../concurrency/with-timeout.ts';
import type { Provider } from '../provider/provider.ts';
import type { SessionStore } from '../sessions/store/store.ts';

/** One thing the gateway needs, and whether it has it. */
export type Check = { name: 'store' | 'provider' | 'draining'; ok: boolean; detail: string };

/** Whether the gateway should get traffic. */
export type Readiness = {
  checks(): Promise<readonly Check[]>;
  /** From now on the gateway is not ready: it is going away. */
  drain(): void;
};

/** How long the store may take to answer, in milliseconds: those who probe wait a second. */
const PATIENCE_MS = 500;

/**
 * Ready means that the store and the provider have each been reached since the start. An outage after that is no reason
 * to take the gateway out of service: every replica has the same one, and sessions whose token lives are served.
 */
export function createReadiness(deps: { store: SessionStore; provider: Provider }): Readiness {
  let draining = false;
  return {
    async checks() {
      const away = () =>
        deps.store.wasReachable() ? 'unreachable; it was reachable earlier' : 'not reached since the start';
      const ping = deps.store.ping().then(() => 'reachable', away);
      const store = (await withTimeout(ping, PATIENCE_MS)) ?? away();
      const provider = {
        up: 'reachable',
        down: 'unreachable; it was reachable earlier',
        unknown: 'not reached since the start',
      }[deps.provider.state()];
      return [
        { name: 'store', ok: deps.store.wasReachable(), detail: store },
        { name: 'provider', ok: deps.provider.state() !== 'unknown', detail: provider },
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
