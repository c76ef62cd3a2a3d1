import type { ServerMetadata } from 'openid-client';
import { z } from 'zod';
import { isInsecure } from '../../config/values/url.ts';
import { acceptedAlgorithms } from '../authorization/profile.ts';
import type { OidcProviderConfig } from './schema.ts';

/** How a provider signs: where its keys are, and which algorithms the gateway accepts. */
export type Signing = { readonly jwksUri: string; readonly algorithms: readonly string[] };

type CheckedConfig = Pick<
  OidcProviderConfig,
  'issuer' | 'discoveryUrl' | 'endpoints' | 'login' | 'userinfo' | 'idTokenSignedResponseAlg'
> &
  Partial<Pick<OidcProviderConfig, 'par'>>;

/** Endpoints that the browser is sent to. The gateway calls the others. */
const browserEndpoints: readonly string[] = ['authorization_endpoint', 'end_session_endpoint'];

/** The endpoints of the metadata that the gateway calls or sends the browser to. */
const endpointsFor = (server: Readonly<ServerMetadata>, { login, userinfo, par }: CheckedConfig) => {
  const isDecoupledOnly = login === 'decoupled' && server.authorization_endpoint === undefined;
  return [
    // Absent when users can only sign in on another device.
    ['authorization_endpoint', isDecoupledOnly ? 'optional' : 'required'],
    ['backchannel_authentication_endpoint', isDecoupledOnly ? 'required' : 'optional'],
    ['token_endpoint', 'required'],
    ['pushed_authorization_request_endpoint', par === 'required' ? 'required' : 'optional'],
    ['jwks_uri', 'required'],
    ['userinfo_endpoint', userinfo === 'login' ? 'required' : 'optional'],
    ['revocation_endpoint', 'optional'],
    ['end_session_endpoint', 'optional'],
  ] as const;
};

/**
 * Checks the metadata that discovery returned (OpenID Connect Discovery, section 4.3): it belongs to the configured issuer
 * and contains nothing that weakens a login. Throws an Error that says what is wrong. The endpoints may be on other hosts
 * than the issuer, as those of large providers are.
 */
export function checkServerMetadata(server: Readonly<ServerMetadata>, config: CheckedConfig): Signing {
  const { issuer, discoveryUrl, endpoints, idTokenSignedResponseAlg: registered } = config;
  const configured = new Set<string | undefined>(Object.values(endpoints));
  // SECURITY: compared as strings; openid-client 6 compares parsed URLs.
  if (server.issuer !== issuer) throw wrongIssuer(issuer, server.issuer);
  for (const [name, presence] of endpointsFor(server, config)) {
    const url = server[name];
    // The configuration has its own rule for the URLs in it.
    if ((url === undefined && presence === 'optional') || configured.has(url)) continue;
    const origins = browserEndpoints.includes(name) ? [issuer] : [issuer, discoveryUrl ?? issuer];
    checkEndpoint(name, url, origins);
  }
  const methods = server.code_challenge_methods_supported;
  if (server.authorization_endpoint !== undefined && methods !== undefined && !methods.includes('S256')) {
    throw new Error('the provider supports PKCE (RFC 7636) but not S256, which the gateway requires');
  }
  const algorithms = (server.id_token_signing_alg_values_supported ?? ['RS256']).filter(isAsymmetric);
  if (registered !== undefined) return { jwksUri: server.jwks_uri ?? '', algorithms: [registered] };
  if (algorithms.length === 0)
    throw new Error('the provider announces no asymmetric signing algorithm for ID tokens');
  return { jwksUri: server.jwks_uri ?? '', algorithms };
}

/** How the provider signs authorization responses (JARM, section 3: RS256 by default). */
export function responseSigning(
  server: Readonly<ServerMetadata>,
  config: CheckedConfig & Pick<OidcProviderConfig, 'profile'>,
): Signing {
  const { jwksUri } = checkServerMetadata(server, config);
  const announced = server.authorization_signing_alg_values_supported ?? ['RS256'];
  return { jwksUri, algorithms: acceptedAlgorithms(config.profile, announced.filter(isAsymmetric)) };
}

/** Names the issuer that was found when discovery failed for that reason: openid-client 6.8 leaves it out of its message. */
export function explainDiscovery(error: unknown, issuer: string): unknown {
  const found = error instanceof Error ? foundMetadata.safeParse(error.cause) : undefined;
  return found?.success === true ? wrongIssuer(issuer, found.data.body.issuer) : error;
}

const foundMetadata = z.object({ attribute: z.literal('issuer'), body: z.object({ issuer: z.string() }) });

function wrongIssuer(issuer: string, found: string): Error {
  return new Error(`provider.issuer is "${issuer}", but the provider publishes "${found}"`);
}

/**
 * SECURITY: an endpoint is no less protected than one of the URLs it was announced for: https, or loopback where that URL is
 * on loopback.
 */
function checkEndpoint(name: string, value: string | undefined, announcedFor: readonly string[]): void {
  const url = value !== undefined && URL.canParse(value) ? new URL(value) : undefined;
  const isUrl = url !== undefined && /^https?:$/.test(url.protocol) && url.username === '' && url.hash === '';
  if (!isUrl) throw new Error(`the provider publishes no usable "${name}"`);
  const isWeakerThan = (origin: string) =>
    url.protocol === 'http:' && (origin.startsWith('https:') || isInsecure(url.href)) && !isInsecure(origin);
  if (announcedFor.every(isWeakerThan)) throw new Error(`the provider's "${name}" is not https`);
}

/** SECURITY: never "none", and never HMAC, whose key is a secret that the client shares. */
export function isAsymmetric(algorithm: string): boolean {
  return algorithm !== 'none' && !algorithm.startsWith('HS');
}
