import { createBoundedMap } from '../concurrency/bounded-map.ts';

/** The newest nonce of each server that asks for nonces in proofs (RFC 9449, sections 8 and 9). */
export type DpopNonces = {
  /** The nonce for the next proof to a server; undefined when it has sent none. */
  of(origin: string): string | undefined;
  /** Remembers the `DPoP-Nonce` of a response, of whatever status. True if it is one. */
  learn(origin: string, header: string | readonly string[] | null | undefined): boolean;
};

/** How many servers are remembered. */
const MAX_ORIGINS = 1_000;
/** The characters of a nonce (RFC 9449, section 8.1), and how many of them are accepted. */
const nonce = /^[\x21\x23-\x5b\x5d-\x7e]{1,1024}$/;

/** A nonce belongs to a server, not to a session: all proofs to the server share the newest one. */
export function createDpopNonces(): DpopNonces {
  const newest = createBoundedMap<string, string>({ maxEntries: MAX_ORIGINS });
  return {
    of: (origin) => newest.get(origin),
    learn(origin, header) {
      if (typeof header !== 'string' || !nonce.test(header)) return false;
      if (newest.get(origin) !== header) newest.set(origin, header);
      return true;
    },
  };
}
