import { createHash } from 'node:crypto';
import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify } from 'jose';

/** The request that a proof must be for. */
export type ProvenRequest = {
  readonly method: string;
  /** Without query and fragment. */
  readonly url: string;
  /** The access token of the request, where it has one. */
  readonly accessToken?: string | undefined;
};

/** Why a proof is rejected (RFC 9449, sections 5, 8 and 9). */
export class ProofError extends Error {
  override readonly name = 'ProofError';
  readonly code: 'invalid_dpop_proof' | 'use_dpop_nonce';

  constructor(code: ProofError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** Checks DPoP proofs as a strict server does (RFC 9449, section 4.3). */
export type ProofVerifier = {
  /** The nonce that proofs must have; any proof passes while it is undefined. A test may change it at any time. */
  nonce: string | undefined;
  /** Called with each proof that passed, such as to change the nonce. */
  afterProof: (() => void) | undefined;
  /** The thumbprint of the key of each proof that passed, in order. */
  readonly thumbprints: readonly string[];
  /** The number of proofs that had the wrong nonce. */
  readonly nonceRefusals: number;
  /**
   * Returns the thumbprint of the key.
   *
   * @throws ProofError
   */
  verify(proof: string | undefined, request: ProvenRequest): Promise<string>;
};

/** How far the time of a proof may be off, in milliseconds: more than a slow machine delays a request. */
const SKEW_MS = 120_000;

export function createProofVerifier({ clock = Date.now }: { clock?: () => number } = {}): ProofVerifier {
  const seen = new Set<string>();
  const thumbprints: string[] = [];
  let nonceRefusals = 0;
  const refuse = (message: string) => new ProofError('invalid_dpop_proof', message);

  return {
    nonce: undefined,
    afterProof: undefined,
    thumbprints,
    get nonceRefusals() {
      return nonceRefusals;
    },

    async verify(proof, { method, url, accessToken }) {
      if (proof === undefined) throw refuse('there is no proof');
      const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
        typ: 'dpop+jwt',
        algorithms: ['ES256'],
        currentDate: new Date(clock()),
      }).catch((error: unknown) => {
        throw refuse(String(error));
      });
      const { jwk } = protectedHeader;
      if (jwk === undefined || 'd' in jwk) throw refuse('the key in the header is not a public key');
      const { jti, htm, htu, iat = 0, ath, nonce } = payload;
      if (htm !== method) throw refuse(`htm is ${String(htm)}, not ${method}`);
      if (htu !== url) throw refuse(`htu is ${String(htu)}, not ${url}`);
      if (Math.abs(iat * 1000 - clock()) > SKEW_MS) throw refuse(`iat is ${iat}`);
      const hash =
        accessToken === undefined ? undefined : createHash('sha256').update(accessToken).digest('base64url');
      if (ath !== hash) throw refuse('ath does not match the access token');
      if (jti === undefined || jti.length < 16) throw refuse('jti is missing or short');
      if (seen.has(jti)) throw refuse('jti was used before');
      seen.add(jti);
      if (this.nonce !== undefined && nonce !== this.nonce) {
        nonceRefusals += 1;
        throw new ProofError('use_dpop_nonce', 'the nonce is not the current one');
      }
      const thumbprint = await calculateJwkThumbprint(jwk);
      thumbprints.push(thumbprint);
      this.afterProof?.();
      return thumbprint;
    },
  };
}

/** The thumbprint of the key that a JWT access token is bound to (RFC 9449, section 6.1); its signature is not checked. */
export function thumbprintInToken(accessToken: string): string | undefined {
  const [, payload = ''] = accessToken.split('.');
  const { cnf } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { cnf?: { jkt?: string } };
  return cnf?.jkt;
}
