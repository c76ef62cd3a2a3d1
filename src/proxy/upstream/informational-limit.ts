import { upstreamTimeout } from './errors.ts';
import { invalidResponse } from './response-head.ts';

/** How many informational responses (1xx) may precede a response. */
const MAX_INFORMATIONAL = 100;

/**
 * Creates the check of one call that is to be called at each of its informational responses. It throws when they are too many,
 * or when they keep coming for `timeoutMs`: undici starts its own timeout anew at each.
 */
export function createInformationalLimit(timeoutMs: number): () => void {
  let count = 0;
  let endsAtMs: number | undefined;
  return () => {
    endsAtMs ??= performance.now() + timeoutMs;
    count += 1;
    if (count > MAX_INFORMATIONAL) throw invalidResponse('too many informational responses precede it');
    if (performance.now() >= endsAtMs) throw upstreamTimeout();
  };
}
