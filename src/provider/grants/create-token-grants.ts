import * as oauth from 'openid-client';
import type { DpopKey } from '../../dpop/key.ts';
import { forAudience } from '../audience-parameters.ts';
import type { DpopHandles } from '../dpop/handles.ts';
import { classifyRefreshFailure } from '../refusal.ts';
import { hasBoundToken, readTokenResponse } from '../token-response.ts';
import type { GrantOutcome, TokenGrants, TokenTarget } from './token-grants.ts';

const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const NOT_BOUND = 'the token of the response is not bound to the key of the request';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

/** Error codes of openid-client 6 for a success without a usable token, such as `token_type: N_A`. */
const unusable: ReadonlySet<string | undefined> = new Set([
  'OAUTH_UNSUPPORTED_OPERATION',
  'OAUTH_INVALID_RESPONSE',
]);

/** The grants of a token server, with openid-client 6. `client` throws when the provider has not been found yet. */
export function createTokenGrants(deps: {
  client: () => Promise<oauth.Configuration>;
  /** Undefined for a provider that issues bearer tokens only. */
  dpop?: DpopHandles;
  clock: () => number;
}): TokenGrants {
  const { dpop, clock } = deps;

  const request = async (
    dpopKey: DpopKey | undefined,
    send: (client: oauth.Configuration, options?: oauth.DPoPOptions) => Promise<oauth.TokenEndpointResponse>,
  ): Promise<GrantOutcome> => {
    const found = await deps.client().catch((cause: unknown) => ({ cause }));
    if ('cause' in found) return { kind: 'unavailable', retryAfterSeconds: undefined, cause: found.cause };
    const sentAtMs = clock();
    try {
      const json = await send(found, dpop?.of(found, dpopKey));
      const { accessToken, expiresInSeconds } = readTokenResponse(json);
      // SECURITY: a bearer token in place of a bound one would undo the protection.
      if (dpopKey !== undefined && !hasBoundToken(json))
        return { kind: 'invalid', cause: new Error(NOT_BOUND) };
      // SECURITY: a token of another type must not be sent (RFC 6749, section 7.1); `N_A` is no access token (RFC 8693).
      const isBearer = json.token_type.toLowerCase() === 'bearer';
      if (accessToken === '' || (dpopKey === undefined && !isBearer))
        return { kind: 'invalid', cause: new Error('the response has no usable access token') };
      return { kind: 'issued', accessToken, expiresInSeconds, sentAtMs, dpopKey };
    } catch (cause) {
      return classifyGrantFailure(cause);
    }
  };

  return {
    clientCredentials: (target) =>
      request(dpop?.createKey()?.secret, (client, options) =>
        oauth.clientCredentialsGrant(client, parametersOf(target), options),
      ),

    exchange({ subjectToken, actorToken, tokenType, dpopKey, ...target }) {
      const parameters = parametersOf(target);
      parameters.set('subject_token', subjectToken);
      parameters.set('subject_token_type', ACCESS_TOKEN);
      if (tokenType !== undefined) parameters.set('requested_token_type', tokenType);
      if (actorToken !== undefined) {
        parameters.set('actor_token', actorToken);
        parameters.set('actor_token_type', ACCESS_TOKEN);
      }
      return request(dpopKey, (client, options) =>
        oauth.genericGrantRequest(client, TOKEN_EXCHANGE, parameters, options),
      );
    },
  };
}

function parametersOf({ audience, scopes, resources }: TokenTarget): URLSearchParams {
  const parameters = forAudience({ id: '', scopes, resources });
  if (audience !== undefined) parameters.set('audience', audience);
  return parameters;
}

function classifyGrantFailure(cause: unknown): GrantOutcome {
  if (cause instanceof oauth.ClientError) {
    const isSuccess = cause.cause instanceof Response && cause.cause.status === 200;
    if (isSuccess || unusable.has(cause.code)) return { kind: 'invalid', cause };
  }
  const failure = classifyRefreshFailure(cause, []);
  switch (failure.kind) {
    case 'misconfigured':
      return { kind: 'refused', error: failure.error, cause };
    case 'transient':
    case 'ambiguous':
      return { kind: 'unavailable', retryAfterSeconds: failure.retryAfterSeconds, cause };
    // A refresh alone ends like this.
    case 'rejected':
    case 'identity_changed':
      return { kind: 'invalid', cause };
  }
}
