import { hash, randomUUID } from 'node:crypto';
import { createBoundedMap } from '../concurrency/bounded-map.ts';
import { signEs256 } from './es256.ts';
import { importDpopKey, type DpopKey, type ImportedDpopKey } from './key.ts';

/** The request that a proof is for. */
export type ProofRequest = {
  readonly key: DpopKey;
  readonly method: string;
  /** Without query and fragment. */
  readonly url: string;
  readonly accessToken: string;
  readonly nonce: string | undefined;
};

/** Creates DPoP proofs for requests with an access token (RFC 9449, sections 4.2 and 7). */
export type DpopProofs = { create(request: ProofRequest): string };

/** A key with the parts of its proofs that stay the same. */
type Signer = {
  readonly privateKey: ImportedDpopKey['privateKey'];
  readonly header: string;
  /** The token of the last proof and its hash, which the next one most likely needs again. */
  accessToken: string;
  tokenHash: string;
  usedAtMs: number;
};

/** How many imported keys stay in memory. The import of one takes longer than a signature. */
const MAX_KEYS = 10_000;
/** How long an unused one stays, in milliseconds. */
const KEPT_MS = 600_000;

/**
 * Signs with `node:crypto`, on the event loop: a signature by the thread pool, by WebCrypto or by jose takes more CPU time
 * (docs/decisions/0022-dpop-by-session-keys.md).
 */
export function createDpopProofs(clock: () => number): DpopProofs {
  const signers = createBoundedMap<DpopKey['id'], Signer>({
    maxEntries: MAX_KEYS,
    isExpired: ({ usedAtMs }) => usedAtMs <= clock() - KEPT_MS,
  });

  const signerOf = (key: DpopKey, usedAtMs: number): Signer => {
    const known = signers.get(key.id);
    if (known !== undefined) return known;
    const { privateKey, publicJwk } = importDpopKey(key);
    const header = encode({ alg: 'ES256', typ: 'dpop+jwt', jwk: publicJwk });
    const signer: Signer = { privateKey, header, accessToken: '', tokenHash: '', usedAtMs };
    signers.set(key.id, signer);
    return signer;
  };

  return {
    create({ key, method, url, accessToken, nonce }) {
      const nowMs = clock();
      const signer = signerOf(key, nowMs);
      signer.usedAtMs = nowMs;
      if (signer.accessToken !== accessToken) {
        signer.accessToken = accessToken;
        signer.tokenHash = hash('sha256', accessToken, 'base64url');
      }
      const payload = encode({
        jti: randomUUID(),
        htm: method,
        htu: url,
        iat: Math.floor(nowMs / 1000),
        ath: signer.tokenHash,
        ...(nonce !== undefined && { nonce }),
      });
      const text = `${signer.header}.${payload}`;
      return `${text}.${signEs256(text, signer.privateKey)}`;
    },
  };
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}
