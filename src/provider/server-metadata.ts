import type { ServerMetadata } from 'openid-client';
import { z } from 'zod';
import { isInsecure } from '../config/values/url.ts';

/** How a provider signs: where its keys are, and the algorithms that count. */
export type Signing = { readonly jwksUri: string; readonly algorithms: readonly string[] };

/** Where the gateway, or with its word the browser, goes by what the provider says of itself. */
const endpoints = [
  ['authorization_endpoint', 'required'],
  ['token_endpoint', 'required'],
  ['jwks_uri', 'required'],
  ['revocation_endpoint', 'optional'],
  ['end_session_endpoint', 'optional'],
] as const;

/**
 * Checks what discovery found (OpenID Connect Discovery, section 4.3): that it is of the issuer it was asked for, and
 * names nothing that would weaken a login. Throws an Error that says what is wrong. The endpoints may be on other hosts
 * than the issuer, as those of large providers are.
 */
export function checkServerMetadata(server: Readonly<ServerMetadata>, issuer: string): Signing {
  // SECURITY: compared as strings; openid-client 6 compares parsed URLs.
  if (server.issuer !== issuer) throw wrongIssuer(issuer, server.issuer);
  for (const [name, need] of endpoints) {
    if (server[name] !== undefined || need === 'required') checkEndpoint(name, server[name], issuer);
  }
  const methods = server.code_challenge_methods_supported;
  if (methods !== undefined && !methods.includes('S256')) {
    throw new Error('the provider supports PKCE (RFC 7636) but not S256, which the gateway requires');
  }
  // SECURITY: never "none", and never by HMAC, whose key is no secret to everybody who could sign.
  const algorithms = (server.id_token_signing_alg_values_supported ?? ['RS256']).filter(isAsymmetric);
  if (algorithms.length === 0)
    throw new Error('the provider announces no asymmetric signing algorithm for ID tokens');
  return { jwksUri: server.jwks_uri ?? '', algorithms };
}

/** Says of a failed discovery, where that was the reason, which issuer was found: openid-client 6.8 keeps that to itself. */
export function explainDiscovery(error: unknown, issuer: string): unknown {
  const found = error instanceof Error ? foundMetadata.safeParse(error.cause) : undefined;
  return found?.success === true ? wrongIssuer(issuer, found.data.body.issuer) : error;
}

const foundMetadata = z.object({ attribute: z.literal('issuer'), body: z.object({ issuer: z.string() }) });

function wrongIssuer(issuer: string, found: string): Error {
  return new Error(`provider.issuer is "${issuer}", but the provider publishes "${found}"`);
}

/** SECURITY: an endpoint is reached as safely as the issuer: by https, or on the loopback where the issuer is. */
function checkEndpoint(name: string, value: string | undefined, issuer: string): void {
  const url = value !== undefined && URL.canParse(value) ? new URL(value) : undefined;
  const isUrl = url !== undefined && /^https?:$/.test(url.protocol) && url.username === '' && url.hash === '';
  if (!isUrl) throw new Error(`the provider publishes no usable "${name}"`);
  const isWeaker = url.protocol === 'http:' && (issuer.startsWith('https:') || isInsecure(url.href));
  if (isWeaker && !isInsecure(issuer)) throw new Error(`the provider's "${name}" is not https`);
}

function isAsymmetric(algorithm: string): boolean {
  return algorithm !== 'none' && !algorithm.startsWith('HS');
}
