import { decodeJwt, errors, type JWTPayload } from 'jose';
import { loginRefused, providerUnavailable } from '../login-failure.ts';
import { hasUntrustedAudience } from '../oidc/audience.ts';
import { KeySetError, type KeySet } from '../oidc/key-set.ts';
import { PROVIDER_CLOCK_TOLERANCE_SECONDS } from '../../timing.ts';

/** Reads authorization responses that are one signed JWT (JARM). */
export type JwtResponses = {
  /** The `state` of a response, before anything is verified; it only selects the sign-in. Undefined without one. */
  stateOf(response: string): string | undefined;
  /** Verifies a response and returns its parameters. Throws `login_failed` with a reason, or `provider_unavailable`. */
  read(response: string): Promise<URLSearchParams>;
};

/** The claims of the JWT itself; the others are parameters of the response (JARM, section 2.1). */
const ownClaims: ReadonlySet<string> = new Set(['iss', 'aud', 'exp', 'iat', 'nbf', 'jti', 'sub']);

export function createJwtResponses(deps: {
  keySet: KeySet;
  issuer: string;
  clientId: string;
  clock: () => number;
}): JwtResponses {
  const { keySet, issuer, clientId, clock } = deps;

  return {
    stateOf(response) {
      try {
        const { state } = decodeJwt(response);
        return typeof state === 'string' ? state : undefined;
      } catch {
        return undefined;
      }
    },

    async read(response) {
      const checks = {
        issuer,
        audience: clientId,
        requiredClaims: ['exp'],
        clockTolerance: PROVIDER_CLOCK_TOLERANCE_SECONDS,
        currentDate: new Date(clock()),
      };
      try {
        const { claims } = await keySet.verify(response, checks);
        // `1e999` is a number in JSON, and would never expire.
        if (!Number.isFinite(claims.exp)) throw new errors.JWTInvalid('"exp" is not a time');
        if (hasUntrustedAudience(claims, { clientId, audiences: [] }))
          throw new errors.JWTInvalid('"aud" names audiences other than this client');
        return parametersOf(claims, issuer);
      } catch (cause) {
        if (cause instanceof KeySetError) throw providerUnavailable(cause);
        const reason = cause instanceof Error ? cause.message : 'unknown error';
        throw loginRefused(`the signed authorization response is invalid: ${reason}`, cause);
      }
    },
  };
}

/** The verified issuer takes the place of the parameter `iss` (RFC 9207). */
function parametersOf(claims: JWTPayload, issuer: string): URLSearchParams {
  const parameters = Object.entries(claims).flatMap(([name, value]) =>
    typeof value === 'string' && !ownClaims.has(name) ? [[name, value] as const] : [],
  );
  return new URLSearchParams([...parameters.map(([...pair]) => pair), ['iss', issuer]]);
}
