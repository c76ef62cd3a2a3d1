import type { Metrics } from '../observability/metrics.ts';
import type { ProviderState } from './provider.ts';

/** Whether the provider can be used, as far as the last exchange with it tells. */
export type ProviderHealth = {
  /** Reports one exchange: whether the provider responded. */
  note(responded: boolean): void;
  /** Discovery has succeeded: until then a response says nothing, since it may be an error page or another issuer. */
  established(): void;
  state(): ProviderState;
};

/** Begins with `unknown`, and stays there until discovery has succeeded once. */
export function createProviderHealth(metrics: Metrics): ProviderHealth {
  let state: ProviderState = 'unknown';
  const set = (next: 'up' | 'down') => {
    state = next;
    metrics.providerUp(next === 'up' ? 1 : 0);
  };
  return {
    note(responded) {
      if (state !== 'unknown') set(responded ? 'up' : 'down');
    },
    established: () => set('up'),
    state: () => state,
  };
}
