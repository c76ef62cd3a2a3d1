import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRaw, rawRequest } from '../../../testkit/network/raw-client.ts';
import { HOST, openServer, type OpenServer } from './open-server.ts';

/** More than the kernel passes to the gateway at once. */
const COOKIES = `Cookie: ${'a=1; '.repeat(60_000)}`;

const lines: Record<string, unknown>[] = [];
let gateway: OpenServer;

beforeAll(async () => {
  gateway = await openServer((line) => void lines.push(JSON.parse(line) as Record<string, unknown>));
});

afterAll(() => gateway.close());

const head = (...fields: string[]) =>
  ['GET / HTTP/1.1', `Host: ${HOST}`, ...fields, COOKIES, '', ''].join('\r\n');

describe('a request head that is too large', () => {
  it.each([
    ['a navigation', ['Accept: text/html', 'Sec-Fetch-Mode: navigate']],
    ['a client without fetch metadata that accepts HTML', ['Accept: text/html,*/*;q=0.8']],
    ['a client whose fields came too early to be read', []],
  ])('shows a page to %s', async (_who, fields) => {
    const response = await rawRequest(gateway.port, head(...fields));
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
    const response = await rawRequest(gateway.port, head(...fields));
    expect(response.header('content-type')).toBe('application/problem+json');
    expect(JSON.parse(response.body.toString())).toMatchObject({ status: 431, code: 'headers_too_large' });
  });

  it('gets no page in the place of a response that is still pending', async () => {
    gateway.upstream.respond(() => undefined);
    const client = await openRaw(gateway.port);
    client.write(`GET /public/one HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
    await expect.poll(() => gateway.upstream.requests.length).toBe(1);
    client.write(head('Accept: text/html'));
    await client.ended;
    expect(client.pending().toString()).not.toContain('<h1>');
    client.close();
  });
});

it('a request that is not HTTP gets an empty 400, and the connection closes', async () => {
  const client = await openRaw(gateway.port);
  client.write('GET / HTTP/1.1\r\nHost: a\r\nHost : b\r\n\r\n');
  await client.ended;
  expect(client.pending().toString()).toBe('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
  client.close();
});
