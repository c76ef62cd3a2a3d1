import { clientNetwork } from '../inbound/client-network.ts';
import { createLeakyBuckets } from '../../concurrency/leaky-bucket.ts';
import { throwIfLimited } from './rate-limit.ts';

/**
 * Limits failed attempts, such as wrong tokens, by client address. It counts in this process only, so that a check costs no
 * Redis call.
 */
export type FailureLimit = {
  /** Throws `rate_limited` if an address has failed too often. Call it before the check that may fail. */
  check(clientAddress: string): void;
  /** Counts a failed attempt. */
  count(clientAddress: string): void;
};

const MINUTE_MS = 60_000;

/** `name` is that of the limit in metrics. */
export function createFailureLimit(deps: {
  name: string;
  perMinute: number;
  clock: () => number;
}): FailureLimit {
  const { name, perMinute, clock } = deps;
  const failures = createLeakyBuckets({ sizeMs: MINUTE_MS, costMs: MINUTE_MS / perMinute, clock });
  return {
    check: (clientAddress) => throwIfLimited(failures.waitMs(clientNetwork(clientAddress)), name),
    count: (clientAddress) => void failures.tryTake(clientNetwork(clientAddress)),
  };
}
