import { decodeProtectedHeader } from 'jose';
import { createLeakyBuckets } from '../../concurrency/leaky-bucket.ts';
import { shareRuns } from '../../concurrency/shared-run.ts';
import { isAsymmetric, type Signing } from './server-metadata.ts';

/** How the provider signs, according to its latest metadata. */
export type AnnouncedSigning = {
  current(): Signing;
  /** Fetches the metadata again unless the rate limit prevents it. True when they now differ from `used`. */
  differsFrom(used: Signing): Promise<boolean>;
};

/** The metadata may be read again this often at once, and then once per interval (in milliseconds), whatever tokens arrive. */
const REREAD_BURST = 4;
const REREAD_INTERVAL_MS = 30_000;

export function createAnnouncedSigning(deps: {
  signing: Signing;
  readSigning: () => Promise<Signing>;
  clock: () => number;
}): AnnouncedSigning {
  // SECURITY: anybody may send tokens with unknown algorithms; they must not trigger fetches without limit.
  const rereads = createLeakyBuckets({
    sizeMs: REREAD_BURST * REREAD_INTERVAL_MS,
    costMs: REREAD_INTERVAL_MS,
    clock: deps.clock,
  });
  let signing = deps.signing;

  const reread = shareRuns(async () => {
    if (rereads.tryTake('metadata') > 0) return;
    // A failed fetch keeps the previous metadata.
    const found = await deps.readSigning().catch(() => signing);
    if (!isSame(found, signing)) signing = found;
  });

  return {
    current: () => signing,
    async differsFrom(used) {
      if (signing !== used) return true;
      await reread();
      return signing !== used;
    },
  };
}

/** True for an algorithm that the provider may have begun to use: "none" and HMAC are never accepted. */
export function namesAsymmetricAlgorithm(token: string): boolean {
  const { alg } = decodeProtectedHeader(token);
  return alg !== undefined && isAsymmetric(alg);
}

function isSame(one: Signing, other: Signing): boolean {
  return one.jwksUri === other.jwksUri && one.algorithms.join(' ') === other.algorithms.join(' ');
}
