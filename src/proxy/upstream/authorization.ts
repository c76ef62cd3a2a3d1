import { createDpopNonces } from '../../dpop/nonces.ts';
import { createDpopProofs } from '../../dpop/proofs.ts';
import type { Caller } from '../tokens/caller.ts';
import type { ResponseHead } from './response-head.ts';

/** The credential fields of one request to an upstream. */
export type Authorization = {
  /** The value of `Authorization`. */
  readonly authorization: string;
  /** The value of `DPoP`, for a token that is bound to a key. */
  readonly dpop?: string | undefined;
};

/** The request that an access token is sent with. */
export type AuthorizedRequest = {
  readonly method: string;
  /** Of the upstream. */
  readonly origin: string;
  /** Of the upstream; without the query. */
  readonly path: string;
  /** For the proof, in place of the newest one of the upstream. */
  readonly nonce?: string | undefined;
};

/** Creates the credential fields of requests to upstreams. */
export type Authorizations = {
  /**
   * Of a bearer token (RFC 6750, section 2.1), or of a bound token with a new proof (RFC 9449, section 7.1). Undefined for a
   * caller without a token.
   */
  of(caller: Caller, request: AuthorizedRequest): Authorization | undefined;
  /** Learns the nonce of any response to a bound token (RFC 9449, sections 8.2 and 9). True if it has one. */
  learn(head: ResponseHead, origin: string): boolean;
};

export function createAuthorizations(clock: () => number): Authorizations {
  const proofs = createDpopProofs(clock);
  const nonces = createDpopNonces();
  return {
    of({ accessToken, dpopKey: key }, { method, origin, path, nonce = nonces.of(origin) }) {
      if (accessToken === undefined) return undefined;
      if (key === undefined) return { authorization: `Bearer ${accessToken}` };
      const url = origin + path;
      const dpop = proofs.create({ key, method, url, accessToken, nonce });
      return { authorization: `DPoP ${accessToken}`, dpop };
    },
    learn: (head, origin) => nonces.learn(origin, head.headers['dpop-nonce']),
  };
}
