import * as oauth from 'openid-client';
import type { CustomFetch, ServerMetadata } from 'openid-client';
import { parseJson } from '../http/json-value.ts';
import { probe } from '../http/probe.ts';
import type { OidcProviderConfig } from './schema.ts';
import { explainDiscovery } from './server-metadata.ts';

/** How many endpoints `provider.endpoints` can have. */
export const CONFIGURABLE_ENDPOINTS = 6;

/**
 * Reads the provider's metadata from below its issuer or from `provider.discoveryUrl`, and replaces what
 * `provider.endpoints` has. When that has all endpoints, only checks that the provider responds.
 */
export async function readServerMetadata(
  config: OidcProviderConfig,
  fetch: CustomFetch,
): Promise<ServerMetadata> {
  const { issuer, discoveryUrl, timeout } = config;
  const configured = configuredEndpoints(config);
  const { token_endpoint: tokenEndpoint } = configured;
  if (tokenEndpoint !== undefined && Object.keys(configured).length === CONFIGURABLE_ENDPOINTS) {
    await probe(fetch, tokenEndpoint, timeout);
    return { issuer, ...configured };
  }
  const found =
    discoveryUrl === undefined ? await discover(config, fetch) : await readFrom(discoveryUrl, timeout, fetch);
  return { ...found, ...(config.tls.certificate === undefined ? {} : aliasesOf(found)), ...configured };
}

/** The endpoints that have an alias for clients with a certificate (RFC 8705, section 5), and that the gateway calls. */
const aliasedEndpoints = [
  'token_endpoint',
  'revocation_endpoint',
  'userinfo_endpoint',
  'pushed_authorization_request_endpoint',
  'backchannel_authentication_endpoint',
] as const;

function aliasesOf({ mtls_endpoint_aliases: aliases = {} }: ServerMetadata): Partial<ServerMetadata> {
  const found = aliasedEndpoints.flatMap((name) => {
    const alias: unknown = Reflect.get(aliases, name);
    return typeof alias === 'string' ? [[name, alias] as const] : [];
  });
  return Object.fromEntries(found);
}

/** The endpoints of `provider.endpoints`, named as in the metadata. */
function configuredEndpoints({ endpoints }: OidcProviderConfig): Partial<ServerMetadata> {
  const { authorization, token, jwks, userinfo, endSession, revocation } = endpoints;
  return {
    ...(authorization !== undefined && { authorization_endpoint: authorization }),
    ...(token !== undefined && { token_endpoint: token }),
    ...(jwks !== undefined && { jwks_uri: jwks }),
    ...(userinfo !== undefined && { userinfo_endpoint: userinfo }),
    ...(endSession !== undefined && { end_session_endpoint: endSession }),
    ...(revocation !== undefined && { revocation_endpoint: revocation }),
  };
}

async function discover(config: OidcProviderConfig, fetch: CustomFetch): Promise<ServerMetadata> {
  const issuer = new URL(config.issuer);
  const client = await oauth
    .discovery(issuer, config.clientId, undefined, oauth.None(), {
      [oauth.customFetch]: fetch,
      timeout: config.timeout / 1000,
      // The configuration allows http on loopback hosts and with `allowInsecureHttp` only.
      execute: issuer.protocol === 'http:' ? [oauth.allowInsecureRequests] : [],
    })
    .catch((error: unknown) => {
      throw explainDiscovery(error, config.issuer);
    });
  return client.serverMetadata();
}

async function readFrom(url: string, timeoutMs: number, fetch: CustomFetch): Promise<ServerMetadata> {
  const response = await fetch(url, {
    method: 'GET',
    headers: { accept: 'application/json' },
    body: null,
    redirect: 'manual',
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (response.status !== 200) throw new Error(`provider.discoveryUrl returned ${response.status}`);
  const document = parseJson(await response.text());
  if (isMetadata(document)) return document;
  throw new Error('provider.discoveryUrl returned no provider metadata: a JSON object with an issuer');
}

function isMetadata(document: unknown): document is ServerMetadata {
  return (
    typeof document === 'object' &&
    document !== null &&
    'issuer' in document &&
    typeof document.issuer === 'string'
  );
}
