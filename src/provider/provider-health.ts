import type { Metrics } from '../observability/metrics.ts';
import type { ProviderState } from './provider.ts';

/** Whether the provider can be used, by its last call. */
export type ProviderHealth = {
  /** Records whether the provider responded to a call. */
  record(responded: boolean): void;
  /** Discovery has succeeded: until then a response says nothing, since it may be an error page or another issuer. */
  established(): void;
  state(): ProviderState;
};

/** The state is `unknown` until discovery has succeeded once. */
export function createProviderHealth(metrics: Metrics): ProviderHealth {
  let state: ProviderState = 'unknown';
  const set = (next: 'up' | 'down') => {
    state = next;
    metrics.providerUp(next === 'up' ? 1 : 0);
  };
  return {
    record(responded) {
      if (state !== 'unknown') set(responded ? 'up' : 'down');
    },
    established: () => set('up'),
    state: () => state,
  };
}
