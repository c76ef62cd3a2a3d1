import { hash } from 'node:crypto';
import * as oauth from 'openid-client';
import type { StepUpRequirement } from '../errors.ts';
import type { DpopKey } from '../dpop/key.ts';
import type { JwtResponses } from './authorization/jwt-response.ts';
import type { DpopHandles } from './dpop/handles.ts';
import { metadataOf } from './client/metadata.ts';
import { PAR_ENDPOINT, type BuildAuthorizationUrl } from './authorization/request.ts';
import { loginFailure, loginRefused, stepUpFailure } from './login-failure.ts';
import type { LoginAttempt, RedirectLogin, SignIn } from './provider.ts';
import { withStepUp } from './step-up-parameters.ts';

/** Sign-in by authorization code (RFC 6749, section 4.1), with PKCE S256 (RFC 7636) and state. */
export function createRedirectLogin(deps: {
  issuer: string;
  /** Where the provider sends the browser back to. From the configuration, never from a request. */
  redirectUri: string;
  /** Sends the browser to its `authorization_endpoint` and calls its `token_endpoint`. */
  client: () => Promise<oauth.Configuration>;
  /** Parameters of every authorization request in addition to those from the page. */
  parameters: Readonly<Record<string, string>>;
  /** Resources of every authorization request besides that of `parameters` (RFC 8707). */
  resources?: readonly string[];
  /** `openid`: sends a nonce, and compares the `iss` that comes back (RFC 9207). */
  protocol: 'openid' | 'oauth2';
  /** Binds the tokens to a key, where the configuration asks for it. */
  dpop?: DpopHandles;
  /** Reads responses that are a JWT; by default they are parameters. */
  jwtResponses?: (() => Promise<JwtResponses>) | undefined;
  /** Puts the parameters into a URL; by default as they are. */
  buildUrl?: BuildAuthorizationUrl;
  /** Reads the signed-in user from a token response. */
  readSignIn: (
    json: Readonly<Record<string, unknown>>,
    sent: {
      nonce: string;
      maxAge: number | undefined;
      acrValues: readonly string[];
      sentAtMs: number;
      dpopKey: DpopKey | undefined;
    },
  ) => Promise<SignIn>;
  clock: () => number;
}): RedirectLogin {
  const { issuer, redirectUri, parameters, resources = [], dpop, readSignIn, clock } = deps;
  const { buildUrl = async (client, request) => oauth.buildAuthorizationUrl(client, request) } = deps;
  const failure = (cause: unknown, { stepUp }: Pick<LoginAttempt, 'stepUp'>, endpoint?: string) =>
    stepUp === undefined ? loginFailure(cause, endpoint) : stepUpFailure(cause, endpoint);
  const { jwtResponses } = deps;
  /** The callback with verified parameters in place of a JWT. */
  const withParameters = async (callback: URL): Promise<URL> => {
    if (jwtResponses === undefined) return callback;
    const parameters = await (await jwtResponses()).read(callback.searchParams.get('response') ?? '');
    const url = new URL(redirectUri);
    url.search = parameters.toString();
    return url;
  };
  const isOpenId = deps.protocol === 'openid';
  const fixedAcrValues = (isOpenId && parameters['acr_values']?.split(' ')) || [];
  /** A step-up that asks for no `acr` must bring one of those that every sign-in must bring. */
  const withFixedAcr = (stepUp: StepUpRequirement): StepUpRequirement =>
    stepUp.acrValues.length > 0 ? stepUp : { ...stepUp, acrValues: fixedAcrValues };

  return {
    jwtStateOf: jwtResponses && (async (response) => (await jwtResponses()).stateOf(response)),

    async begin({ parameters: requested, stepUp }) {
      const config = await deps.client();
      if (metadataOf(config).authorization_endpoint === undefined)
        throw loginRefused('the provider has no authorization endpoint; sign in on another device');
      // A step-up checks its own.
      const maxAge = stepUp?.maxAge === undefined ? requested['max_age'] : undefined;
      const key = dpop?.createKey();
      const attempt: LoginAttempt = {
        issuer,
        state: oauth.randomState(),
        nonce: oauth.randomNonce(),
        codeVerifier: oauth.randomPKCECodeVerifier(),
        ...(key === undefined ? {} : { dpopKey: key.secret }),
        ...(maxAge === undefined ? {} : { maxAge: Number(maxAge) }),
        ...(stepUp === undefined ? {} : { stepUp: withFixedAcr(stepUp) }),
      };
      const request = withStepUp({ ...parameters, ...requested }, stepUp);
      for (const resource of resources)
        if (!request.has('resource', resource)) request.append('resource', resource);
      const own = {
        redirect_uri: redirectUri,
        state: attempt.state,
        ...(isOpenId ? { nonce: attempt.nonce } : {}),
        code_challenge: hash('sha256', attempt.codeVerifier, 'base64url'),
        code_challenge_method: 'S256',
        ...(key === undefined ? {} : { dpop_jkt: key.thumbprint }),
      };
      for (const [name, value] of Object.entries(own)) request.set(name, value);
      const url = await buildUrl(config, request, dpop?.of(config, attempt.dpopKey)).catch(
        (cause: unknown) => {
          throw failure(cause, attempt, PAR_ENDPOINT);
        },
      );
      return { url, attempt };
    },

    async finish(callback, attempt) {
      // SECURITY: the code of another provider is not sent to this one (RFC 9700, section 4.4.2).
      if (attempt.issuer !== issuer)
        throw loginRefused('this login was started with another provider; sign in again');
      const config = await deps.client();
      if (!isOpenId) callback.searchParams.delete('iss');
      const sentAtMs = clock();
      // Without one, the sign-in began before the configuration asked for it.
      const dpopKey = attempt.dpopKey ?? dpop?.createKey()?.secret;
      try {
        const checks = { expectedState: attempt.state, pkceCodeVerifier: attempt.codeVerifier };
        // With further resources, of a step-up or of routes, the one of every sign-in must be named.
        const hasFurther = resources.length > 0 || (attempt.stepUp?.resources.length ?? 0) > 0;
        const { resource } = hasFurther ? parameters : {};
        const json = await oauth.authorizationCodeGrant(
          config,
          await withParameters(callback),
          checks,
          resource === undefined ? {} : { resource },
          dpop?.of(config, dpopKey),
        );
        const { nonce, maxAge, stepUp } = attempt;
        const acrValues = stepUp?.acrValues ?? [];
        return await readSignIn(json, { nonce, maxAge, acrValues, sentAtMs, dpopKey });
      } catch (cause) {
        throw failure(cause, attempt);
      }
    },
  };
}
