import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { createOutageLog } from '../observability/outage-log.ts';
import type { ProviderState } from './provider.ts';

/** Whether the provider can be used, by its last call. The log has a line when an outage begins and when it is over. */
export type ProviderHealth = {
  /** The provider has responded to a call. */
  responded(): void;
  /** The provider has not responded to a call, or with a server error. */
  failed(error: unknown): void;
  /** Discovery has succeeded: until then a response says nothing, since it may be an error page or another issuer. */
  established(): void;
  state(): ProviderState;
  close(): void;
};

/** The state is `unknown` until discovery has succeeded once. */
export function createProviderHealth({ log, metrics }: { log: Logger; metrics: Metrics }): ProviderHealth {
  const outages = createOutageLog({
    messages: {
      began: 'identity provider unavailable',
      goesOn: 'identity provider still unavailable',
      ended: 'identity provider available again',
    },
    log,
  });
  let state: ProviderState = 'unknown';
  // After a reload, calls to the former provider may still end.
  let isClosed = false;
  const setUp = () => {
    state = 'up';
    if (isClosed) return;
    metrics.providerUp(1);
    outages.succeeded();
  };
  return {
    responded() {
      if (state !== 'unknown') setUp();
    },
    failed(error) {
      if (state === 'unknown') return;
      state = 'down';
      if (isClosed) return;
      metrics.providerUp(0);
      outages.failed('call', error);
    },
    established: setUp,
    state: () => state,
    close() {
      isClosed = true;
      outages.close();
    },
  };
}
