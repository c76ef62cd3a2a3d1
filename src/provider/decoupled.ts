import * as client from 'openid-client';
import type { DecoupledLogin, DecoupledOutcome, SignIn } from './provider.ts';
import { loginFailure } from './login-failure.ts';

/** How a sign-in on another device is exchanged for tokens: which grant, with the attempt's name as which parameter. */
export type DecoupledGrant = { readonly type: string; readonly parameter: string };

/** OpenID CIBA Core 1.0, section 10.1. */
export const CIBA_GRANT: DecoupledGrant = {
  type: 'urn:openid:params:grant-type:ciba',
  parameter: 'auth_req_id',
};

/** The interval of a provider that names none (section 7.3), in seconds. */
const DEFAULT_INTERVAL_SECONDS = 5;

/**
 * Signing in on another device by the messages of OpenID CIBA Core 1.0, poll mode. Each poll is one request:
 * `pollBackchannelAuthenticationGrant` of openid-client 6 keeps on asking until it is over, which would tie the sign-in to
 * this process.
 */
export function createDecoupledLogin(deps: {
  /** The client to ask with; its `backchannel_authentication_endpoint` and `token_endpoint` are used. */
  relation: () => Promise<client.Configuration>;
  /** What each authentication request asks for besides what the page says. */
  parameters: Readonly<Record<string, string>>;
  grant: DecoupledGrant;
  /** Reads who has signed in out of a token answer. */
  signInOf: (json: Readonly<Record<string, unknown>>, sentAtMs: number) => Promise<SignIn>;
  clock: () => number;
}): DecoupledLogin {
  const { relation, parameters, grant, signInOf, clock } = deps;

  return {
    async begin({ loginHint, bindingMessage }) {
      const config = await relation();
      try {
        const answer = await client.initiateBackchannelAuthentication(config, {
          ...parameters,
          ...(loginHint === undefined ? {} : { login_hint: loginHint }),
          ...(bindingMessage === undefined ? {} : { binding_message: bindingMessage }),
        });
        return {
          id: answer.auth_req_id,
          expiresInSeconds: answer.expires_in,
          intervalSeconds: answer.interval ?? DEFAULT_INTERVAL_SECONDS,
        };
      } catch (cause) {
        throw loginFailure(cause);
      }
    },

    async poll(id) {
      const config = await relation();
      const sentAtMs = clock();
      try {
        const json = await client.genericGrantRequest(config, grant.type, { [grant.parameter]: id });
        return { kind: 'signed_in', signIn: await signInOf(json, sentAtMs) };
      } catch (cause) {
        const outcome = outcomeOf(cause);
        if (outcome !== undefined) return outcome;
        throw loginFailure(cause);
      }
    },
  };
}

/** What a refused poll means (section 11), or undefined when it means nothing for the attempt. */
function outcomeOf(cause: unknown): DecoupledOutcome | undefined {
  if (!(cause instanceof client.ResponseBodyError)) return undefined;
  switch (cause.error) {
    case 'authorization_pending':
      return { kind: 'pending' };
    case 'slow_down':
      return { kind: 'slow_down' };
    case 'access_denied':
      return { kind: 'denied' };
    // `invalid_grant` is what most answer to an attempt they have forgotten.
    case 'expired_token':
    case 'invalid_grant':
      return { kind: 'expired' };
    default:
      return undefined;
  }
}
