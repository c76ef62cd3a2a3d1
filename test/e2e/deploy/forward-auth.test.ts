import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:http';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { gatewayConfig } from '../../../testkit/gateway/gateway-config.ts';
import { freePort } from '../../../testkit/network/free-port.ts';
import type { ChildProcess } from '../../../testkit/processes/child-process.ts';
import { type Program, startProgram } from '../../../testkit/processes/program.ts';
import { until } from '../../../testkit/until.ts';
import { echo } from '../../../testkit/upstream/behaviours.ts';
import { createUserAgent } from '../../../testkit/user-agent/user-agent.ts';
import { type Fixture, openFixture } from '../support/fixture.ts';
import { askingProxies, writeCertificate } from './balancer-programs.ts';

const HOST = 'app.example.com';
const BASE_URL = `https://${HOST}`;
/** The proof of a proxy that it may have access tokens. */
const PROXY_SECRET = 'the-secret-of-the-proxy-and-no-one-else';

let fixture: Fixture;
let program: Program;
let cookie: string;

beforeAll(async () => {
  fixture = await openFixture();
  const { provider, upstream, redis, folder } = fixture;
  await writeCertificate(folder);
  const routes = [
    { path: '/orders', identity: { headers: { 'X-User': '/sub' } } },
    {
      path: '/orders/closed',
      require: [{ claim: '/role', equals: 'boss' }],
    },
    { path: '/orders/given', forwardAuth: { authorizationSecret: PROXY_SECRET } },
    {
      path: '/orders/open',
      auth: 'optional',
      identity: { headers: { 'X-User': '/sub' } },
    },
  ];
  const listen = `127.0.0.1:${await freePort()}`;
  // Traefik sends the address of the gateway as the host of its question.
  const config = { trustProxy: ['127.0.0.1'], allowedHosts: [listen], routes };
  program = await startProgram({
    yaml: JSON.stringify(gatewayConfig({ provider, upstream, store: redis.url, config }, BASE_URL, listen)),
  });
  const browser = createUserAgent(BASE_URL, { connect: { host: '127.0.0.1', port: program.port } });
  await browser.signIn('/');
  cookie = browser.cookies.header(new URL(BASE_URL), { crossSite: false, topLevelGet: true }) ?? '';
  browser.close();
});

afterAll(async () => {
  await program.close();
  await fixture.close();
});

it('a proxy with the secret of the route gets an access token that the API accepts', async () => {
  const { provider } = fixture;
  const ask = async (headers: Record<string, string>) => {
    const forwarded = { 'x-forwarded-uri': '/orders/given/1', 'x-forwarded-method': 'GET' };
    const asking = get({
      host: '127.0.0.1',
      port: program.port,
      path: '/auth/check',
      headers: { host: HOST, cookie, 'sec-fetch-site': 'same-origin', ...forwarded, ...headers },
    });
    const [response] = (await once(asking, 'response')) as [IncomingMessage];
    response.resume();
    return { status: response.statusCode, token: response.headers.authorization?.replace(/^Bearer /, '') };
  };
  const secret = { 'x-forward-auth-secret': PROXY_SECRET };
  const first = await ask(secret);
  expect(first.status).toBe(200);
  expect(provider.isAccessTokenActive(first.token ?? '')).toBe(true);
  expect(await ask({})).toEqual({ status: 200, token: undefined });
  expect(await ask({ 'x-forward-auth-secret': `${PROXY_SECRET}x` })).toEqual({
    status: 403,
    token: undefined,
  });
});

describe.each(askingProxies)('$name that asks the gateway, as deploy/ configures it,', ({ start }) => {
  let ports: { https: number; http: number; gateway: number; api: number };
  let proxy: ChildProcess;

  beforeAll(async () => {
    const { upstream, folder } = fixture;
    ports = {
      https: await freePort(),
      http: await freePort(),
      gateway: program.port,
      api: Number(new URL(upstream.url).port),
    };
    proxy = await start(folder, ports);
    await until('the proxy passes a request on', async () =>
      (await open('/auth/session', {}).catch(() => undefined))?.status === 200 ? true : undefined,
    );
  });
  afterAll(() => proxy.terminate(0));
  beforeEach(() => {
    fixture.upstream.respond(echo);
    fixture.upstream.requests.length = 0;
  });

  async function open(path: string, headers: Record<string, string>, method = 'GET') {
    const outgoing = request({
      host: '127.0.0.1',
      port: ports.https,
      // The certificate is for another name.
      rejectUnauthorized: false,
      servername: HOST,
      method,
      path,
      headers: { host: HOST, 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors', ...headers },
    });
    outgoing.end();
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    return { status: response.statusCode, headers: response.headers, body: await text(response) };
  }
  const signedIn = (headers: Record<string, string> = {}) => ({ cookie, origin: BASE_URL, ...headers });
  const seen = () => fixture.upstream.requests.map((each) => [each.header('x-user'), each.header('cookie')]);

  it.each(['GET', 'POST'])(
    'forwards the %s of a user, with the identity and without the cookie',
    async (method) => {
      expect((await open('/orders/1?a=b', signedIn(), method)).status).toBe(200);
      expect(seen()).toEqual([['alice', undefined]]);
    },
  );

  it("replaces a client's own copy of an identity header, also for an anonymous caller", async () => {
    expect((await open('/orders/1', signedIn({ 'x-user': 'mallory' }))).status).toBe(200);
    expect((await open('/orders/open/1', { 'x-user': 'mallory' })).status).toBe(200);
    expect(seen()).toEqual([
      ['alice', undefined],
      [undefined, undefined],
    ]);
  });

  it('rejects an anonymous caller with 401', async () => {
    expect((await open('/orders/1', {})).status).toBe(401);
    expect(seen()).toEqual([]);
  });

  it('rejects with 403 a user whom a rule denies, and a request of another site', async () => {
    expect((await open('/orders/closed/1', signedIn())).status).toBe(403);
    const foreign = signedIn({ origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' });
    expect((await open('/orders/1', foreign, 'POST')).status).toBe(403);
    expect(seen()).toEqual([]);
  });

  it('asks about the path of the request, whatever path the client names', async () => {
    for (const name of ['x-forwarded-uri', 'x-original-uri'])
      expect((await open('/orders/closed/1', signedIn({ [name]: '/orders/open/1' }))).status).toBe(403);
    expect(seen()).toEqual([]);
  });

  it('does not serve the check to browsers', async () => {
    const response = await open('/auth/check', signedIn({ 'x-forwarded-uri': '/orders/1' }));
    expect(response.status).toBe(404);
    expect(response.headers['x-user']).toBeUndefined();
  });
});
