import * as client from 'openid-client';
import { loginFailure, loginRefused } from './login-failure.ts';
import type { LoginAttempt, RedirectLogin, SignIn } from './provider.ts';

/** Signing in by authorization code (RFC 6749, section 4.1), with PKCE S256 (RFC 7636) and state. */
export function createRedirectLogin(deps: {
  issuer: string;
  /** Where the provider sends the browser back to. From the configuration, never from a request. */
  redirectUri: string;
  /** The client to ask with; its `authorization_endpoint` and `token_endpoint` are used. */
  relation: () => Promise<client.Configuration>;
  /** What each authorization request asks for besides what the page says. */
  parameters: Readonly<Record<string, string>>;
  /** Whether it is an OpenID provider: a nonce goes along, and an `iss` that comes back (RFC 9207) is compared. */
  openId: boolean;
  /** Reads who has signed in out of a token answer. */
  signInOf: (
    json: Readonly<Record<string, unknown>>,
    sent: { nonce: string; sentAtMs: number },
  ) => Promise<SignIn>;
  clock: () => number;
}): RedirectLogin {
  const { issuer, redirectUri, relation, parameters, openId, signInOf, clock } = deps;

  return {
    async begin(hints) {
      const config = await relation();
      const attempt: LoginAttempt = {
        issuer,
        state: client.randomState(),
        nonce: client.randomNonce(),
        codeVerifier: client.randomPKCECodeVerifier(),
      };
      const url = client.buildAuthorizationUrl(config, {
        ...parameters,
        redirect_uri: redirectUri,
        state: attempt.state,
        ...(openId ? { nonce: attempt.nonce } : {}),
        code_challenge: await client.calculatePKCECodeChallenge(attempt.codeVerifier),
        code_challenge_method: 'S256',
        ...(hints.prompt === undefined ? {} : { prompt: hints.prompt }),
        ...(hints.loginHint === undefined ? {} : { login_hint: hints.loginHint }),
      });
      return { url, attempt };
    },

    async finish(callback, attempt) {
      // SECURITY: the code of another provider is not shown to this one (RFC 9700, section 4.4.2).
      if (attempt.issuer !== issuer)
        throw loginRefused('this login was started with another provider; sign in again');
      const config = await relation();
      if (!openId) callback.searchParams.delete('iss');
      const sentAtMs = clock();
      try {
        const json = await client.authorizationCodeGrant(config, callback, {
          expectedState: attempt.state,
          pkceCodeVerifier: attempt.codeVerifier,
        });
        return await signInOf(json, { nonce: attempt.nonce, sentAtMs });
      } catch (cause) {
        throw loginFailure(cause);
      }
    },
  };
}
