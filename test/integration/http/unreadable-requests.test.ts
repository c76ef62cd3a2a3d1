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
    expect(response.body.toString()).toContain('<h1>Address or cookies too long</h1>');
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
});

describe('a request that cannot be read', () => {
  const CHUNKED = `POST /public/one HTTP/1.1\r\nHost: ${HOST}\r\nX-CSRF: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`;
  const TRAILERS = `0\r\nX-Trailer: ${'y'.repeat(70_000)}\r\n\r\n`;

  it.each([
    ['has an oversized head', head('Accept: text/html')],
    ['is not HTTP', 'GET / HTTP/1.1\r\nHost : a\r\n\r\n'],
    ['has a body that is not valid', `${CHUNKED}no chunk\r\n`],
  ])('gets no response while an earlier one is pending, if it %s', async (_what, unreadable) => {
    gateway.upstream.respond(() => undefined);
    const [client, before] = [await openRaw(gateway.port), gateway.upstream.requests.length];
    client.write(`GET /public/one HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
    await expect.poll(() => gateway.upstream.requests.length).toBe(before + 1);
    client.write(unreadable);
    await client.ended;
    expect(client.pending().toString()).toBe('');
    client.close();
  });

  /** A connection that stays open after the response to a request whose body is not complete. */
  const openKept = async () => {
    gateway.upstream.respond((_request, response) => void response.end());
    const client = await openRaw(gateway.port);
    client.write(CHUNKED);
    const response = await client.readResponse();
    expect([response.status, response.header('connection')]).toEqual([200, 'keep-alive']);
    return client;
  };

  it.each([
    ['trailers that are too large', TRAILERS],
    ['a chunk that is not valid', 'no chunk\r\n'],
  ])('gets no second response for %s', async (_what, rest) => {
    const client = await openKept();
    client.write(rest);
    await client.ended;
    expect(client.pending().toString()).toBe('');
    client.close();
  });

  it('gets an empty response if it is the only one without a response', async () => {
    gateway.upstream.respond(() => undefined);
    const [client, before] = [await openRaw(gateway.port), gateway.upstream.requests.length];
    client.write(CHUNKED);
    await expect.poll(() => gateway.upstream.requests.length).toBe(before + 1);
    client.write(TRAILERS);
    await client.ended;
    expect(client.pending().toString()).toBe(
      'HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n',
    );
    client.close();
  });

  it('gets its response after a request whose body came after its own response', async () => {
    const client = await openKept();
    client.write(`0\r\n\r\n${head('Accept: text/html')}`);
    expect((await client.readResponse()).status).toBe(431);
    client.close();
  });
});

describe('a request that is not HTTP', () => {
  it.each([
    ['a space before a colon', `GET / HTTP/1.1\r\nHost: ${HOST}\r\nX-A : b\r\n\r\n`],
    [
      'two Content-Length fields',
      `POST / HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab`,
    ],
    ['the handshake of TLS', '\x16\x03\x01\x02\x00\x01'],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ])(
    'is a problem like any other, logged and counted, and the last on its connection: %s',
    async (_what, bytes) => {
      const before = await countOf(400);
      const client = await openRaw(gateway.port);
      client.write(Buffer.from(bytes, 'latin1'));
      const response = await client.readResponse();
      expect(response.status).toBe(400);
      expect(response.header('connection')).toBe('close');
      expect(response.header('content-type')).toBe('application/problem+json');
      expect(response.header('cache-control')).toBe('no-store');
      expect(JSON.parse(response.body.toString())).toMatchObject({ status: 400, code: 'bad_request' });
      const requestId = response.header('x-request-id');
      expect(lines).toContainEqual(
        expect.objectContaining({ requestId, status: 400, msg: 'request', clientAddress: '127.0.0.1' }),
      );
      expect(await countOf(400)).toBe(before + 1);
      await client.ended;
      client.close();
    },
  );
});

it('a request without Host is a problem like any other, and logged', async () => {
  const response = await rawRequest(gateway.port, 'GET /one HTTP/1.1\r\n\r\n');
  expect(response.status).toBe(400);
  expect(JSON.parse(response.body.toString())).toMatchObject({ status: 400, code: 'bad_request' });
  const requestId = response.header('x-request-id');
  await expect
    .poll(() => lines)
    .toContainEqual(expect.objectContaining({ requestId, status: 400, msg: 'request', method: 'GET' }));
});

/** The number of counted requests with this status that Node.js could not parse. */
async function countOf(status: number): Promise<number> {
  const text = await (await fetch(`${gateway.server.adminUrl}/metrics`)).text();
  const [, value = '0'] =
    new RegExp(
      `^coatcheck_http_requests_total\\{route="none",method="",status="${status}"\\} (\\d+)$`,
      'm',
    ).exec(text) ?? [];
  return Number(value);
}
