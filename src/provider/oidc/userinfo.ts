import { WWWAuthenticateChallengeError, type CustomFetch } from 'openid-client';
import type { DpopKey } from '../../dpop/key.ts';
import { GatewayError } from '../../errors.ts';
import type { Logger } from '../../observability/log.ts';
import { parseJson } from '../http/json-value.ts';
import { isReplacedByReference } from '../claim-references.ts';
import { requestUserinfo } from '../http/userinfo-request.ts';
import { loginRefused, providerUnavailable } from '../login-failure.ts';
import { isBusy } from '../refusal.ts';
import type { KeySet } from './key-set.ts';
import type { OidcProviderConfig } from './schema.ts';

type Claims = Readonly<Record<string, unknown>>;

/**
 * The claims that sessions show and the ID token of a sign-in lacks, from the userinfo endpoint (OpenID Connect Core,
 * section 5.3); undefined when it is not called. Throws `login_failed` when it names a different user and, with
 * `provider.userinfo: login`, when it does not respond with claims.
 */
export type Userinfo = (
  idToken: Claims & { readonly sub: string },
  accessToken: string,
  dpopKey: DpopKey | undefined,
) => Promise<Claims | undefined>;

export function createUserinfo(deps: {
  config: Pick<OidcProviderConfig, 'userinfo' | 'issuer' | 'clientId' | 'timeout'>;
  endpoint: string | undefined;
  /** The claims that sessions show. */
  sessionClaims: readonly string[];
  keySet: KeySet;
  fetch: CustomFetch;
  /** Calls the endpoint with an access token that is bound to a key. */
  fetchBound: (url: URL, accessToken: string, dpopKey: DpopKey) => Promise<Response>;
  log: Logger;
}): Userinfo {
  const { config, endpoint, sessionClaims, keySet, fetch, fetchBound, log } = deps;

  const request = (url: string, accessToken: string, dpopKey: DpopKey | undefined) =>
    dpopKey === undefined
      ? requestUserinfo(url, { accessToken, fetch, timeoutMs: config.timeout })
      : fetchBound(new URL(url), accessToken, dpopKey);

  const read = async (url: string, accessToken: string, dpopKey: DpopKey | undefined): Promise<Claims> => {
    const response = await request(url, accessToken, dpopKey).catch((cause: unknown) => {
      if (cause instanceof WWWAuthenticateChallengeError)
        throw loginRefused(`the userinfo endpoint returned ${cause.status} without claims`);
      throw providerUnavailable(cause);
    });
    if (isBusy(response.status)) throw providerUnavailable();
    const text = await response.text();
    const isSigned = response.headers.get('content-type')?.startsWith('application/jwt') === true;
    const claims = isSigned ? await readSigned(text) : parseJson(text);
    if (!response.ok || typeof claims !== 'object' || claims === null || Array.isArray(claims))
      throw loginRefused(`the userinfo endpoint returned ${response.status} without claims`);
    return { ...claims };
  };

  /** A signed response is for this client and from this issuer (section 5.3.2). */
  const readSigned = async (token: string): Promise<Claims> => {
    const checks = { issuer: config.issuer, audience: config.clientId };
    const { claims } = await keySet.verify(token, checks).catch((cause: unknown) => {
      throw loginRefused('the signed userinfo response is invalid', cause);
    });
    return claims;
  };

  return async (idToken, accessToken, dpopKey) => {
    const lacking = sessionClaims.filter((name) => !Object.hasOwn(idToken, name));
    const isWanted = config.userinfo === 'login' || (config.userinfo === 'auto' && lacking.length > 0);
    if (endpoint === undefined || !isWanted) return undefined;
    const claims = await read(endpoint, accessToken, dpopKey).catch((error: unknown) => {
      if (config.userinfo === 'login' || !(error instanceof GatewayError)) throw error;
      log.warn(
        { err: error },
        'cannot read the userinfo response; signing in with the claims of the ID token',
      );
      return undefined;
    });
    if (claims === undefined) return undefined;
    // SECURITY: the access token of another user must not bring their claims into this session (section 5.3.2).
    if (claims['sub'] !== idToken.sub) throw loginRefused('the userinfo response names a different user');
    const isUsable = (name: string) => Object.hasOwn(claims, name) && !isReplacedByReference(claims, name);
    return Object.fromEntries(lacking.filter(isUsable).map((name) => [name, claims[name]]));
  };
}
