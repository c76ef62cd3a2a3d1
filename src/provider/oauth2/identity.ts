import type { CustomFetch } from 'openid-client';
import { GatewayError } from '../../errors.ts';
import { parseJson, subjectAt } from '../http/json-value.ts';
import { requestUserinfo } from '../http/userinfo-request.ts';
import { loginRefused } from '../login-failure.ts';
import { UnusedTokensError, type SignIn } from '../provider.ts';
import { isBusy } from '../refusal.ts';
import { readTokenResponse } from '../token-response.ts';
import type { OAuth2ProviderConfig } from './schema.ts';

/** Identifies the signed-in user at a server without ID tokens. */
export type Identities = {
  /** Reads a token response. Throws {@link UnusedTokensError} when it cannot identify the user. */
  readSignIn(json: Readonly<Record<string, unknown>>, sentAtMs: number): Promise<SignIn>;
};

/** The default pointer to the subject in a userinfo response. */
const DEFAULT_SUBJECT = ['sub'];

export function createIdentities(deps: {
  config: OAuth2ProviderConfig;
  issuer: string;
  fetch: CustomFetch;
  timeoutMs: number;
}): Identities {
  const { config, issuer, fetch, timeoutMs } = deps;
  const { userinfoEndpoint, subject: pointer = DEFAULT_SUBJECT } = config;

  return {
    async readSignIn(json, sentAtMs) {
      const tokenResponse = readTokenResponse(json);
      const { refreshToken } = tokenResponse;
      const refuse = (reason: string) => new UnusedTokensError(loginRefused(reason), refreshToken);
      if (tokenResponse.accessToken === '') throw refuse('the token response has no usable "access_token"');

      if (userinfoEndpoint === undefined) {
        const subject = subjectAt(json, pointer);
        if (subject === undefined) throw refuse('the token response has no subject at provider.subject');
        return { issuer, subject, claims: { sub: subject }, tokenResponse, sentAtMs };
      }

      const { accessToken } = tokenResponse;
      const response = await requestUserinfo(userinfoEndpoint, { accessToken, fetch, timeoutMs }).catch(
        (cause: unknown) => {
          throw unavailable(refreshToken, cause);
        },
      );
      if (isBusy(response.status)) throw unavailable(refreshToken);
      const userinfo = parseJson(await response.text());
      if (!response.ok || typeof userinfo !== 'object' || userinfo === null)
        throw refuse(`the userinfo endpoint returned ${response.status} without a JSON object`);
      const subject = subjectAt(userinfo, pointer);
      if (subject === undefined) throw refuse('the userinfo response has no subject at provider.subject');
      return { issuer, subject, claims: { ...userinfo, sub: subject }, tokenResponse, sentAtMs };
    },
  };
}

function unavailable(refreshToken: string | undefined, cause?: unknown): UnusedTokensError {
  const detail = 'The identity provider did not return the signed-in user. Sign in again.';
  const error = new GatewayError('provider_unavailable', { detail, retryAfterSeconds: 5, cause });
  return new UnusedTokensError(error, refreshToken);
}
