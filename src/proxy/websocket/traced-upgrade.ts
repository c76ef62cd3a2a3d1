import type { SpanAttributes, Tracing } from '../../observability/tracing/tracing.ts';
import type { UpgradeCall } from './upstream-upgrade.ts';

/** Requests an upgrade in a span, which ends with the response. `open` gets the `traceparent` of the span, if it is sampled. */
export function callInSpan(
  tracing: Tracing,
  attributes: SpanAttributes,
  open: (traceparent: string | undefined) => UpgradeCall,
): UpgradeCall {
  let call: UpgradeCall | undefined;
  const response = tracing.span('upstream', 'client', (span) => {
    span?.set(attributes);
    call = open(span?.traceparent);
    return call.response;
  });
  return {
    response,
    wasConnected: () => call?.wasConnected() ?? false,
    cancel: (error) => call?.cancel(error),
  };
}
