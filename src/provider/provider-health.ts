import type { Metrics } from '../observability/metrics.ts';
import type { ProviderState } from './provider.ts';

/** Whether a provider can be reached, as far as its last exchange tells. */
export type ProviderHealth = {
  /** Notes one exchange: whether the provider answered it. */
  note(answered: boolean): void;
  state(): ProviderState;
};

/** Begins with `unknown`, and stays there until the first answer. */
export function createProviderHealth(metrics: Metrics): ProviderHealth {
  let state: ProviderState = 'unknown';
  return {
    note(answered) {
      if (!answered && state === 'unknown') return;
      state = answered ? 'up' : 'down';
      metrics.providerUp(answered ? 1 : 0);
    },
    state: () => state,
  };
}
