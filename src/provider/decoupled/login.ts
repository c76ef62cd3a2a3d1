import {
  genericGrantRequest,
  initiateBackchannelAuthentication,
  ResponseBodyError,
  type Configuration,
} from 'openid-client';
import type { BindingMessageSource } from '../../config/values/binding-message.ts';
import type { DpopKey } from '../../dpop/key.ts';
import { withTimeout } from '../../concurrency/with-timeout.ts';
import type { SignBackchannelRequest } from '../authorization/backchannel-request.ts';
import { metadataOf } from '../client/metadata.ts';
import type { DpopHandles } from '../dpop/handles.ts';
import { loginFailure, loginRefused, providerUnavailable } from '../login-failure.ts';
import { classifyRefreshFailure } from '../refusal.ts';
import { UnusedTokensError, type DecoupledLogin, type DecoupledOutcome, type SignIn } from '../provider.ts';
import { readTokenResponse } from '../token-response.ts';

/** The grant that exchanges a decoupled sign-in for tokens, and the parameter that names the sign-in. */
export type DecoupledGrant = { readonly type: string; readonly parameter: string };

/** OpenID CIBA Core 1.0, section 10.1. */
export const CIBA_GRANT: DecoupledGrant = {
  type: 'urn:openid:params:grant-type:ciba',
  parameter: 'auth_req_id',
};

/**
 * How many timeouts one poll may take altogether: to find the provider, to get the tokens, and to learn who has signed in.
 * The deadline is one for all, because the last step has calls of its own.
 */
const CALLS_PER_POLL = 3;

/** The poll interval when the provider names none (section 7.3), in seconds. */
const DEFAULT_INTERVAL_SECONDS = 5;

/**
 * Sign-in on another device with the messages of OpenID CIBA Core 1.0, poll mode. Each poll is one request:
 * `pollBackchannelAuthenticationGrant` of openid-client 6 polls to the end, which would bind the sign-in to this process.
 */
export function createDecoupledLogin(deps: {
  /**
   * Calls its `backchannel_authentication_endpoint`, which messages call `endpoint`, and its `token_endpoint`. Its fetch must
   * tell which requests were not sent.
   */
  client: () => Promise<Configuration>;
  endpoint: string;
  /** Parameters of every authentication request in addition to those from the page. */
  parameters: Readonly<Record<string, string>>;
  grant: DecoupledGrant;
  /** Maps error codes of polls to standard ones. */
  pollErrors?: Readonly<Record<string, string>>;
  /** Signs the parameters of an authentication request; by default they are sent as they are. */
  sign?: SignBackchannelRequest | undefined;
  /** Binds the tokens to a key, where the configuration asks for it. */
  dpop?: DpopHandles;
  /** Reads the signed-in user from a token response. */
  readSignIn: (
    json: Readonly<Record<string, unknown>>,
    sentAtMs: number,
    dpopKey: DpopKey | undefined,
  ) => Promise<SignIn>;
  /** The timeout of one call to the provider, in milliseconds. */
  timeoutMs: number;
  bindingMessage: BindingMessageSource;
  clock: () => number;
}): DecoupledLogin {
  const { endpoint, parameters, grant, pollErrors = {}, dpop, readSignIn, timeoutMs, clock } = deps;
  const maxPollMs = timeoutMs * CALLS_PER_POLL;

  /**
   * Reads the signed-in user within the deadline of the poll. The provider has issued tokens: whatever fails from here on,
   * the code is spent and must not be sent again.
   */
  const readInTime = async (
    json: Readonly<Record<string, unknown>>,
    sentAtMs: number,
    dpopKey: DpopKey | undefined,
    leftMs: number,
  ): Promise<SignIn> => {
    const unused = (cause?: unknown) => {
      if (cause instanceof UnusedTokensError) return cause;
      const error = cause === undefined ? providerUnavailable() : loginFailure(cause);
      return new UnusedTokensError(error, readTokenResponse(json).refreshToken);
    };
    const reading = readSignIn(json, sentAtMs, dpopKey).catch((cause: unknown) => {
      throw unused(cause);
    });
    const signIn = await withTimeout(reading, Math.max(0, leftMs));
    if (signIn === undefined) throw unused();
    return signIn;
  };

  return {
    maxPollMs,
    bindingMessage: deps.bindingMessage,

    async begin({ loginHint, bindingMessage: message }) {
      const config = await deps.client();
      if (metadataOf(config).backchannel_authentication_endpoint === undefined)
        throw loginRefused(`the provider has no ${endpoint}`);
      try {
        const request = {
          ...parameters,
          ...(loginHint === undefined ? {} : { login_hint: loginHint }),
          ...(message === undefined ? {} : { binding_message: message }),
        };
        const signed = { ...(await (deps.sign?.(request) ?? request)) };
        const response = await initiateBackchannelAuthentication(config, signed);
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
      // Monotonic, unlike the clock of the sign-in.
      const startedAtMs = performance.now();
      const config = await deps.client();
      const sentAtMs = clock();
      // Each poll has a key of its own: the one that brings tokens binds them.
      const dpopKey = dpop?.createKey()?.secret;
      let json: Readonly<Record<string, unknown>>;
      try {
        const parameters = { [grant.parameter]: id };
        json = await genericGrantRequest(config, grant.type, parameters, dpop?.of(config, dpopKey));
      } catch (cause) {
        const outcome = outcomeOf(cause, pollErrors);
        if (outcome !== undefined) return outcome;
        const failure = loginFailure(cause);
        // Without a response that says otherwise, the provider may have issued tokens for the code.
        const maySendAgain = classifyRefreshFailure(cause).kind === 'transient';
        throw maySendAgain ? failure : new UnusedTokensError(failure, undefined);
      }
      const leftMs = maxPollMs - (performance.now() - startedAtMs);
      return { kind: 'signed_in', signIn: await readInTime(json, sentAtMs, dpopKey, leftMs) };
    },
  };
}

/** The outcome of a poll with this error response (section 11); undefined for any other failure. */
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
