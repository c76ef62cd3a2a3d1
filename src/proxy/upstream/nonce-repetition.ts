import type { RequestBody } from '../request/body.ts';
import type { Authorizations } from './authorization.ts';
import { asksForNonce } from './challenge-action.ts';
import type { ResponseHead } from './response-head.ts';

/** The repetition of one request whose upstream asks for a nonce in the proof (RFC 9449, section 9): once at most. */
export type NonceRepetition = {
  /**
   * Learns the nonce of a response. `repeat`: the response is to be discarded, because the request is sent once more; `pass`:
   * it asks for a nonce, and the request cannot be repeated. Undefined for any other response.
   */
  actionOn(head: ResponseHead, origin: string): 'repeat' | 'pass' | undefined;
  /** The server that asked, once after `repeat`. */
  begin(): string | undefined;
  /**
   * The nonce of the refusal, once, for the proof of the repetition: other requests may have learnt a newer one meanwhile,
   * which an upstream need not accept here.
   */
  takeNonce(origin: string): string | undefined;
};

/** For a request with a bound token. A request whose body cannot be sent again is not repeated. */
export function createNonceRepetition(body: RequestBody, authorizations: Authorizations): NonceRepetition {
  let state: 'unused' | 'due' | 'used' = 'unused';
  let nonce: { origin: string; value: string } | undefined;
  return {
    actionOn(head, origin) {
      const isLearnt = authorizations.learn(head, origin);
      if (!asksForNonce(head)) return undefined;
      if (!isLearnt || state !== 'unused' || body.again() === undefined) return 'pass';
      state = 'due';
      nonce = { origin, value: String(head.headers['dpop-nonce']) };
      return 'repeat';
    },
    begin() {
      if (state !== 'due') return undefined;
      state = 'used';
      return nonce?.origin;
    },
    takeNonce(origin) {
      const taken = nonce?.origin === origin ? nonce.value : undefined;
      nonce = undefined;
      return taken;
    },
  };
}
