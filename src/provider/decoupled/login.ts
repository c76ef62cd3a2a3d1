import {
  genericGrantRequest,
  initiateBackchannelAuthentication,
  ResponseBodyError,
  type Configuration,
} from 'openid-client';
import type { DecoupledLogin, DecoupledOutcome, SignIn } from '../provider.ts';
import { loginFailure, loginRefused } from '../login-failure.ts';

/** The grant that exchanges a decoupled sign-in for tokens, and the parameter that names the sign-in. */
export type DecoupledGrant = { readonly type: string; readonly parameter: string };

/** OpenID CIBA Core 1.0, section 10.1. */
export const CIBA_GRANT: DecoupledGrant = {
  type: 'urn:openid:params:grant-type:ciba',
  parameter: 'auth_req_id',
};

/** The poll interval when the provider names none (section 7.3), in seconds. */
const DEFAULT_INTERVAL_SECONDS = 5;

/**
 * Sign-in on another device with the messages of OpenID CIBA Core 1.0, poll mode. Each poll is one request:
 * `pollBackchannelAuthenticationGrant` of openid-client 6 polls to the end, which would bind the sign-in to this process.
 */
export function createDecoupledLogin(deps: {
  /** Calls its `backchannel_authentication_endpoint`, which messages call `endpoint`, and its `token_endpoint`. */
  client: () => Promise<Configuration>;
  endpoint: string;
  /** Parameters of every authentication request besides those of the page. */
  parameters: Readonly<Record<string, string>>;
  grant: DecoupledGrant;
  /** Error codes of polls that stand for standard ones. */
  pollErrors?: Readonly<Record<string, string>>;
  /** Reads the signed-in person from a token response. */
  readSignIn: (json: Readonly<Record<string, unknown>>, sentAtMs: number) => Promise<SignIn>;
  clock: () => number;
}): DecoupledLogin {
  const { endpoint, parameters, grant, pollErrors = {}, readSignIn, clock } = deps;

  return {
    async begin({ loginHint, bindingMessage }) {
      const config = await deps.client();
      if (config.serverMetadata().backchannel_authentication_endpoint === undefined)
        throw loginRefused(`the provider has no ${endpoint}`);
      try {
        const response = await initiateBackchannelAuthentication(config, {
          ...parameters,
          ...(loginHint === undefined ? {} : { login_hint: loginHint }),
          ...(bindingMessage === undefined ? {} : { binding_message: bindingMessage }),
        });
        return {
          id: response.auth_req_id,
          expiresInSeconds: response.expires_in,
          intervalSeconds: response.interval ?? DEFAULT_INTERVAL_SECONDS,
        };
      } catch (cause) {
        throw loginFailure(cause, endpoint);
      }
    },

    async poll(id) {
      const config = await deps.client();
      const sentAtMs = clock();
      try {
        const json = await genericGrantRequest(config, grant.type, { [grant.parameter]: id });
        return { kind: 'signed_in', signIn: await readSignIn(json, sentAtMs) };
      } catch (cause) {
        const outcome = outcomeOf(cause, pollErrors);
        if (outcome !== undefined) return outcome;
        throw loginFailure(cause);
      }
    },
  };
}

/** The outcome that an error response of a poll stands for (section 11); undefined for any other failure. */
function outcomeOf(
  cause: unknown,
  pollErrors: Readonly<Record<string, string>>,
): DecoupledOutcome | undefined {
  if (!(cause instanceof ResponseBodyError)) return undefined;
  const error: string = Object.hasOwn(pollErrors, cause.error)
    ? (pollErrors[cause.error] ?? '')
    : cause.error;
  switch (error) {
    case 'authorization_pending':
      return { kind: 'pending' };
    case 'slow_down':
      return { kind: 'slow_down' };
    case 'access_denied':
      return { kind: 'denied' };
    // Most providers respond with `invalid_grant` once they have forgotten the sign-in.
    case 'expired_token':
    case 'invalid_grant':
      return { kind: 'expired' };
    default:
      return undefined;
  }
}
