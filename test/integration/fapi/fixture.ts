import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Duplex } from 'node:stream';
import type { ClientMetadata } from 'oidc-provider';
import { onTestFinished } from 'vitest';
import { createCertificateAuthority, type Identity } from '../../../testkit/network/certificate-authority.ts';
import { listenOnLoopback } from '../../../testkit/network/loopback-server.ts';
import { thumbprintOf } from '../../../testkit/providers/client-certificates.ts';
import { jwk } from '../../unit/config/keys.ts';
import { openProviderFixture } from '../../../testkit/providers/provider-fixture.ts';
import {
  startRealProvider,
  type RealProvider,
  type RealProviderOptions,
} from '../../../testkit/providers/real-provider.ts';
import { createUpgrades } from '../../../testkit/upstream/upgrades.ts';

/** The lifetime of an access token, in milliseconds. */
export const LIFE = 300_000;

/** The authority of every certificate in these tests. */
export const authority = createCertificateAuthority();

/** oidc-provider under the rules of FAPI 2.0, on TLS. */
export const strictProvider = {
  secure: { authority, issuer: true },
  configuration: {
    jwks: { keys: [JSON.parse(jwk('P-256', { kid: 'key-1', use: 'sig', alg: 'ES256' }))] },
    features: {
      fapi: { enabled: true, profile: '2.0' as const },
      pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: true },
      dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 1) },
      jwtResponseModes: { enabled: true },
      requestObjects: { enabled: true },
    },
  },
};

/** The keys of a `tls` section with a client certificate. */
export const tlsSection = ({ cert, key }: Identity) => ({
  ca: authority.certificate,
  certificate: cert,
  key,
});

/**
 * Opens a gateway with oidc-provider. The route `/bound` leads to an API that requires certificate-bound tokens; `/api/narrow`
 * and `/bound/narrow` have tokens of their own, with `routeScopes`.
 */
export async function openFapi(given: {
  client?: Partial<ClientMetadata>;
  /** Keys of the `provider` section. */
  provider?: Record<string, unknown>;
  baseUrl?: string;
  /** Other keys of the configuration. */
  config?: Record<string, unknown>;
  options?: Omit<RealProviderOptions, 'client' | 'section' | 'clock'>;
  /** The certificate that the gateway shows to the API of `/bound`. */
  toApi?: Identity;
  routeScopes?: readonly string[];
}) {
  const paths: string[] = [];
  const accepted: Record<string, unknown>[] = [];
  let opened: RealProvider | undefined;
  const api = await startBoundApi(() => opened);
  const { client, provider = {}, config, options = {}, toApi, routeScopes: scopes } = given;
  const tls = toApi === undefined ? { ca: authority.certificate } : tlsSection(toApi);
  const fixture = await openProviderFixture(
    {
      async open(clock) {
        opened = await startRealProvider({
          ...options,
          clock,
          section: provider,
          ...(client && { client }),
          intercept(request, response) {
            const isSecure = 'encrypted' in request.socket;
            paths.push(`${isSecure ? 'TLS ' : ''}${new URL(request.url ?? '', 'http://p').pathname}`);
            return options.intercept?.(request, response) ?? false;
          },
        });
        return opened;
      },
    },
    {
      ...(config && { config }),
      routes: [
        { path: '/api' },
        { path: '/bound', upstream: api.url, tls, websocket: true },
        ...(scopes === undefined
          ? []
          : [
              { path: '/api/narrow', scopes },
              { path: '/bound/narrow', upstream: api.url, tls, scopes },
            ]),
      ],
      ca: authority.certificate,
      ...(given.baseUrl !== undefined && { baseUrl: given.baseUrl }),
    },
  );
  onTestFinished(async () => {
    await fixture.close();
    await api.close();
  });
  if (opened === undefined) throw new Error('the provider did not start');
  const real = opened;
  real.instance.on('authorization.accepted', ({ oidc }) => accepted.push({ ...oidc.params }));
  return { ...fixture, real, api, paths, accepted };
}

/** An API that accepts an access token only over a connection with the certificate that the token is bound to (RFC 8705). */
async function startBoundApi(provider: () => RealProvider | undefined) {
  const { cert, key } = authority.issue('127.0.0.1');
  const upgrades = createUpgrades();
  const tokens: string[] = [];
  const isBound = async ({ headers, socket }: IncomingMessage) => {
    const [, token = ''] = /^Bearer (.+)$/.exec(headers.authorization ?? '') ?? [];
    if (provider()?.isAccessTokenActive(token) !== true) return false;
    const found = await provider()?.instance.AccessToken.find(token);
    const thumbprint = thumbprintOf(socket);
    return thumbprint !== undefined && found?.['x5t#S256'] === thumbprint;
  };
  const respond = async (request: IncomingMessage, response: ServerResponse) => {
    if (!(await isBound(request))) return void response.writeHead(401).end();
    tokens.push(request.headers.authorization ?? '');
    const { challenge } = api;
    api.challenge = undefined;
    const headers = challenge === undefined ? {} : { 'www-authenticate': challenge };
    response.writeHead(challenge === undefined ? 200 : 401, headers).end();
  };
  const upgrade = async (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (await isBound(request)) upgrades.handle(request, socket, head);
    else socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
  };
  const server = createServer(
    { cert, key, ca: authority.certificate, requestCert: true, rejectUnauthorized: false },
    (request, response) => void respond(request, response),
  );
  server.on('upgrade', (...request) => void upgrade(...request));
  const { port, stop } = await listenOnLoopback(server);
  const api = {
    url: `https://127.0.0.1:${port}`,
    /** The accepted `Authorization` fields, in order. */
    tokens,
    /** The challenge of the next response to a bound token. */
    challenge: undefined as string | undefined,
    close: stop,
  };
  return api;
}
