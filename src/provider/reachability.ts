import type { Metrics } from '../observability/metrics.ts';
import type { ProviderState } from './provider.ts';

/** Whether a provider can be reached, as far as its last exchange tells. */
export type Reachability = {
  /** Notes one exchange: whether the provider answered it. */
  note(answered: boolean): void;
  state(): ProviderState;
};

/** Begins with `never`, and stays there until the first answer. */
export function createReachability(metrics: Metrics): Reachability {
  let state: ProviderState = 'never';
  return {
    note(answered) {
      if (!answered && state === 'never') return;
      state = answered ? 'up' : 'down';
      metrics.providerUp(answered ? 1 : 0);
    },
    state: () => state,
  };
}
