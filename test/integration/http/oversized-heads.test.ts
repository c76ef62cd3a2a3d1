import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/provider/read-config.ts';
import { createLogger } from '../../../src/observability/log.ts';
import { type RunningServer, startServer } from '../../../src/server.ts';
import { type FakeProvider, startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { gatewayConfig } from '../../../testkit/gateway/gateway-config.ts';
import { openRaw, rawRequest } from '../../../testkit/network/raw-client.ts';
import { type Upstream, startUpstream } from '../../../testkit/upstream/upstream.ts';

/** The address that clients ask for; the listener is on another port, which does not matter to the gateway. */
const HOST = '127.0.0.1:3000';
/** More than the kernel passes to the gateway at once. */
const COOKIES = `Cookie: ${'a=1; '.repeat(60_000)}`;

const lines: Record<string, unknown>[] = [];
let provider: FakeProvider;
let upstream: Upstream;
let server: RunningServer;
let port: number;

beforeAll(async () => {
  [provider, upstream] = await Promise.all([startFakeProvider(), startUpstream()]);
  const config = parseConfig(gatewayConfig({ provider, upstream }, `http://${HOST}`, '127.0.0.1:0'));
  const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>);
  server = await startServer(config, createLogger({ level: 'info', format: 'json' }, { write }));
  port = Number(new URL(server.url).port);
});

afterAll(async () => {
  await server.stop();
  await Promise.all([provider.close(), upstream.close()]);
});

const head = (...fields: string[]) =>
  ['GET / HTTP/1.1', `Host: ${HOST}`, ...fields, COOKIES, '', ''].join('\r\n');

describe('a request head that is too large', () => {
  it.each([
    ['a navigation', ['Accept: text/html', 'Sec-Fetch-Mode: navigate']],
    ['a client without fetch metadata that accepts HTML', ['Accept: text/html,*/*;q=0.8']],
    ['a client whose fields came too early to be read', []],
  ])('shows a page to %s', async (_who, fields) => {
    const response = await rawRequest(port, head(...fields));
    expect(response.status).toBe(431);
    expect(response.header('content-type')).toBe('text/html; charset=utf-8');
    expect(response.header('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-/);
    expect(response.header('cache-control')).toBe('no-store');
    const requestId = response.header('x-request-id');
    expect(response.body.toString()).toContain('<h1>Too many cookies</h1>');
    expect(response.body.toString()).toContain(`<code>${requestId}</code>`);
    expect(lines).toContainEqual(expect.objectContaining({ requestId }));
  });

  it.each([
    ['a fetch', ['Accept: text/html', 'Sec-Fetch-Mode: cors']],
    ['a program', ['Accept: */*']],
  ])('is a problem for %s', async (_who, fields) => {
    const response = await rawRequest(port, head(...fields));
    expect(response.header('content-type')).toBe('application/problem+json');
    expect(JSON.parse(response.body.toString())).toMatchObject({ status: 431, code: 'headers_too_large' });
  });

  it('gets no page in the place of a response that is still pending', async () => {
    upstream.respond(() => undefined);
    const client = await openRaw(port);
    client.write(`GET /public/one HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
    await expect.poll(() => upstream.requests.length).toBe(1);
    client.write(head('Accept: text/html'));
    await client.ended;
    expect(client.pending().toString()).not.toContain('<h1>');
    client.close();
  });
});

it('a request that is not HTTP gets an empty 400, and the connection closes', async () => {
  const client = await openRaw(port);
  client.write('GET / HTTP/1.1\r\nHost: a\r\nHost : b\r\n\r\n');
  await client.ended;
  expect(client.pending().toString()).toBe('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
  client.close();
});
