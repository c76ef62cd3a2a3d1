import type { Metrics } from '../observability/metrics.ts';
import type { ProviderState } from './provider.ts';

/** Whether the provider responds, by its last call. */
export type ProviderHealth = {
  /** Records whether the provider responded to a call. */
  record(responded: boolean): void;
  state(): ProviderState;
};

/** The state is `unknown` until the provider responds for the first time. */
export function createProviderHealth(metrics: Metrics): ProviderHealth {
  let state: ProviderState = 'unknown';
  return {
    record(responded) {
      if (!responded && state === 'unknown') return;
      state = responded ? 'up' : 'down';
      metrics.providerUp(responded ? 1 : 0);
    },
    state: () => state,
  };
}
