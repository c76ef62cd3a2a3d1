import { createServer as createTlsServer } from 'node:tls';
import { CompactEncrypt } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { login } from '../../testkit/gateway/login-steps.ts';
import { parseConfig } from '../../src/provider/read-config.ts';
import { selfSigned } from '../../testkit/network/self-signed.ts';
import { type Fixture, respondingWith, codeOf, namesOf, openFixture } from '../integration/proxy/fixture.ts';
import { gatewayConfig } from '../../testkit/gateway/gateway-config.ts';
import { listenOnLoopback } from '../../testkit/network/loopback-server.ts';
import type { RedisServer } from '../../testkit/redis/redis-server.ts';
import { openTestGatewayForEachTest } from '../../testkit/gateway/test-gateway-lifetime.ts';
import { type TestGateway, openTestGateway } from '../../testkit/gateway/test-gateway.ts';
import { type Upstream, startUpstream } from '../../testkit/upstream/upstream.ts';
import { redirect } from '../../testkit/upstream/behaviours.ts';

describe('a credential', () => {
  let fixture: Fixture;
  let elsewhere: Upstream;
  let devServer: Upstream;

  beforeAll(async () => {
    [elsewhere, devServer] = await Promise.all([startUpstream(), startUpstream()]);
    fixture = await openFixture({
      routes: [{ path: '/cookies', cookies: { toUpstream: ['theme'] } }],
      config: { spa: { devServer: devServer.url } },
    });
  });
  beforeEach(() => {
    fixture.reset();
    for (const { requests } of [elsewhere, devServer]) requests.length = 0;
  });
  afterAll(async () => {
    await fixture.close();
    await Promise.all([elsewhere.close(), devServer.close()]);
  });

  it('is absent from the session endpoint response (CVE-2024-39315 / GHSA-rrqr-7w59-637v; standards: A3, A20)', async () => {
    const { body } = await fixture.send('GET /auth/session HTTP/1.1');
    const told = JSON.parse(body.toString());
    expect(told).toMatchObject({ authenticated: true, subject: 'alice' });
    const secrets = fixture.provider.secrets();
    expect(secrets.length).toBeGreaterThan(3);
    expect(secrets.filter((secret) => body.includes(secret))).toEqual([]);
    expect(body.toString()).not.toContain(fixture.ticket.slice('coatcheck='.length));
    expect(body.toString()).not.toMatch(/eyJ[\w-]+\.eyJ/);
  });

  it('of the gateway is never sent to an API, not even by configuration (CVE-2022-31130 / GHSA-jv32-5578-pxjc, CVE-2022-39201 / GHSA-x744-mm8v-vpgr; standards: A17, F9)', async () => {
    for (const path of ['/api/one', '/public/one', '/optional/one', '/cookies/one']) {
      await fixture.send(`GET ${path} HTTP/1.1`, ['Cookie: theme=dark', `X-Cookie: none`]);
      const { headers } = fixture.received();
      expect(JSON.stringify(headers)).not.toContain('Fe26.2');
    }
    // Not even by configuration.
    for (const name of ['coatcheck', 'Coatcheck', '__Host-Http-coatcheck', 'coatcheck-login-x']) {
      const routes = [{ path: '/api', upstream: elsewhere.url, cookies: { toUpstream: [name] } }];
      const asked = gatewayConfig(
        { provider: fixture.provider, upstream: elsewhere, config: { routes } },
        fixture.gateway.url,
        '127.0.0.1:0',
      );
      expect(() => parseConfig(asked)).toThrow('cookies.toUpstream');
    }
  });

  it('is not sent to the development server when an API fails (CVE-2026-41181; standards: F29)', async () => {
    fixture.upstream.respond((request) => void request.socket.destroy());
    expect((await fixture.send('GET /api/one HTTP/1.1')).status).toBe(502);
    fixture.upstream.respond(respondingWith({}, 500));
    expect((await fixture.send('GET /api/one HTTP/1.1')).status).toBe(500);
    expect(devServer.requests).toEqual([]);
    await fixture.send('GET /page HTTP/1.1', ['Authorization: Bearer mine']);
    expect(devServer.requests).toHaveLength(1);
    for (const name of ['authorization', 'cookie']) {
      expect(namesOf(devServer.requests[0]?.headers ?? [])).not.toContain(name);
    }
  });

  it('is not sent to the target of a redirect from an API (CVE-2026-111756 / GHSA-q3jh-wrc6-jgq8, CVE-2026-120415 / GHSA-9v6h-8rgp-m69f; standards: F18)', async () => {
    for (const code of [301, 302, 303, 307, 308]) {
      for (const location of [`${elsewhere.url}/steal`, `//127.0.0.1:${elsewhere.port}/steal`]) {
        fixture.upstream.respond(redirect(location, code));
        const response = await fixture.send('POST /api/one HTTP/1.1', ['Content-Length: 4'], 'body');
        expect([response.status, response.header('location')]).toEqual([code, location]);
        expect(fixture.received().target).toBe('/api/one');
      }
    }
    expect(elsewhere.requests).toEqual([]);
  });

  it('is not sent to an API with an untrusted certificate (CVE-2026-107318; standards: F30, B16)', async () => {
    const seen: Buffer[] = [];
    const server = createTlsServer(
      selfSigned,
      (socket) => void socket.on('data', (chunk) => seen.push(chunk)),
    );
    server.on('tlsClientError', () => {});
    const listener = await listenOnLoopback(server);
    const upstream = `https://127.0.0.1:${listener.port}`;
    const other = await openFixture({ routes: [{ path: '/tls', upstream, websocket: true }] });
    const response = await other.send('GET /tls/one HTTP/1.1');
    expect([response.status, codeOf(response)]).toEqual([502, 'upstream_unreachable']);
    const upgrade = [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ];
    const socket = await other.send('GET /tls/one HTTP/1.1', [`Origin: ${other.gateway.url}`, ...upgrade]);
    expect(socket.status).toBe(502);
    expect(seen).toEqual([]);
    await other.close();
    await listener.stop();
  });

  it('is absent from debug pages, metrics and health checks of the public listener (CVE-2022-24797; standards: F32)', async () => {
    const closed = await openFixture();
    for (const path of [
      '/metrics',
      '/debug',
      '/debug/pprof',
      '/debug/vars',
      '/livez',
      '/readyz',
      '/healthz',
      '/env',
      '/',
    ]) {
      const response = await closed.send(`GET ${path} HTTP/1.1`);
      expect(response.status).toBe(404);
      expect(response.body.toString()).not.toMatch(/process_|coatcheck_|heap/);
    }
    expect((await fetch(`${closed.gateway.adminUrl}/metrics`)).status).toBe(200);
    await closed.close();
  });
});

describe('a redirect from the provider', () => {
  it.each(['discovery', 'jwks', 'token', 'revoke'] as const)(
    'by its %s endpoint is not followed and sends no secret elsewhere (CVE-2026-111756, CVE-2026-120415; standards: F18)',
    async (endpoint) => {
      const elsewhere = await startUpstream();
      const testGateway = await openTestGateway();
      if (endpoint === 'revoke') await testGateway.agent.signIn();
      testGateway.provider.faults[endpoint] = {
        status: 307,
        headers: { location: `${elsewhere.url}/steal` },
        body: {},
      };
      if (endpoint === 'revoke') await testGateway.agent.fetch('/auth/logout', { method: 'POST' });
      else await testGateway.agent.navigate('/auth/login', { from: 'page' }).catch(() => undefined);
      expect(elsewhere.requests).toEqual([]);
      expect(testGateway.agent.cookies.get('coatcheck')).toBeUndefined();
      await testGateway.close();
      await elsewhere.close();
    },
  );
});

describe('a sealed value', () => {
  let redis: RedisServer;
  let testGateway: TestGateway;

  openTestGatewayForEachTest((opened) => ({ redis, testGateway } = opened));

  it('differs each time in salt, initialization vector and ciphertext (CVE-2021-32791; standards: E5)', async () => {
    const tickets = new Set<string>();
    for (let time = 0; time < 8; time += 1) {
      const agent = testGateway.browser();
      await agent.signIn();
      const seal = agent.cookies.get('coatcheck')?.value ?? '';
      // Salt, initialisation vector and ciphertext each.
      for (const part of seal.split('*').slice(2, 5)) tickets.add(part);
    }
    expect(tickets.size).toBe(24);
    const dump = await redis.dump();
    const keys = dump.split('\n').filter((line) => line.includes('coatcheck:session:'));
    expect(keys).toHaveLength(8);
  });

  it('that was tampered with gets the same response whichever bit changed (CVE-2026-47775; standards: E5)', async () => {
    await testGateway.agent.signIn();
    const seal = testGateway.agent.cookies.get('coatcheck')?.value ?? '';
    const responses = new Set<string>();
    const parts = seal.split('*');
    for (const [at, part] of parts.entries()) {
      for (const place of [0, part.length >> 1, part.length - 1]) {
        if (part === '') continue;
        const turned = (part[place] === 'A' ? 'B' : 'A') + part.slice(place + 1);
        const forged = parts.with(at, part.slice(0, place) + turned).join('*');
        const agent = testGateway.browser();
        agent.setCookie(`coatcheck=${forged}; Path=/`);
        const response = await agent.fetch('/api/one');
        const { requestId: _own, ...problem } = response.json() as Record<string, unknown>;
        responses.add(JSON.stringify([response.status, problem, response.setCookies]));
      }
    }
    expect(responses.size).toBe(1);
    expect([...responses].join()).toContain('session_expired');
    expect(testGateway.upstream.requests).toEqual([]);
  });

  it('is never decompressed because a compressed ID token is rejected unopened (GHSA-hhhv-q57g-882q; standards: C27)', async () => {
    const header = { alg: 'dir', enc: 'A256GCM', zip: 'DEF' };
    const bomb = await new CompactEncrypt(Buffer.alloc(2_000_000))
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
      .encrypt(Buffer.alloc(32));
    const compressed = [
      Buffer.from(JSON.stringify(header)).toString('base64url'),
      ...bomb.split('.').slice(1),
    ].join('.');
    testGateway.provider.patchTokenResponse = (json) => ({ ...json, id_token: compressed });
    const response = await login(testGateway.agent);
    expect(response.json()).toMatchObject({ status: 400, code: 'login_failed' });
    expect(testGateway.agent.cookies.get('coatcheck')).toBeUndefined();
    expect(await redis.command('KEYS', 'coatcheck:session:*')).toEqual([]);
  });
});
