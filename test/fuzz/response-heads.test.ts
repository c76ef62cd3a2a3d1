import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { extent } from '../../testkit/fuzz.ts';
import { SWITCHING, UPGRADE } from '../integration/proxy/websockets/handshake.ts';
import { type Fixture, openFixture } from '../integration/proxy/fixture.ts';
import { type Line, type Outcome, allOf, openLine } from './support/line.ts';
import { mutated, wordOf } from './support/mutation.ts';

/** The number of concurrent clients; each case has one response per client. */
const LINES = 16;
const PATIENCE = { timeout: 20_000, interval: 20 };

/** The bytes of an upstream as latin1, and whether it then closes the connection or stalls. */
type UpstreamResponse = { bytes: string; isUpgrade: boolean; ends: boolean };

let fixture: Fixture;
let lines: Line[];
let current: readonly UpstreamResponse[] = [];
const open = new Set<Socket>();

beforeAll(async () => {
  const limits = {
    timeout: { headers: '200ms', idle: '200ms' },
    connections: { idle: '100ms' },
    maxConcurrent: 0,
    maxPerMinute: 0,
  };
  fixture = await openFixture({
    rawRoutes: [
      { path: '/raw', ...limits },
      { path: '/raw-socket', websocket: true, ...limits },
    ],
    config: { log: { level: 'debug' } },
  });
  fixture.raw.attend = (socket) => {
    open.add(socket);
    const close = () => {
      open.delete(socket);
      socket.destroy();
    };
    socket.on('end', close).on('close', close);
    socket.on('data', (chunk: Buffer) => {
      const number = /^GET \/raw(?:-socket)?\/(\d+) /.exec(chunk.toString('latin1'))?.[1];
      const response = current[Number(number)];
      if (number === undefined || response === undefined) return;
      socket.write(Buffer.from(response.bytes, 'latin1'));
      if (response.ends) socket.end();
    });
  };
  lines = Array.from({ length: LINES }, () => openLine(fixture.gateway.port));
});

afterAll(async () => {
  for (const line of lines) line.close();
  await fixture.close();
});

const statusLine = fc
  .tuple(
    wordOf('HTTP/1.1 HTTP/1.1 HTTP/1.1 HTTP/1.0 HTTP/2.0 HTTP/0.9 HTTP/1.2 ICY'),
    wordOf('200 200 200 204 205 206 301 302 304 401 403 500 503 600 999 099 100 101 103 1 2000'),
    wordOf('OK _ \u00e9 O\tK'),
  )
  .map((words) => words.join(' '));
const field = wordOf(
  [
    'Content-Type:text/plain',
    'Content-Type:text/event-stream',
    'Content-Length:2',
    'Content-Length:5',
    'Content-Length:-1',
    'Content-Length:2,2',
    'Transfer-Encoding:chunked',
    'Transfer-Encoding:gzip,chunked',
    'Connection:close',
    'Connection:Upgrade,keep-alive,X-A',
    'Upgrade:websocket',
    'Location:/elsewhere',
    'Location://evil.example',
    'Retry-After:1',
    'ETag:"a"',
    'Trailer:X-Sum',
    'Vary:*',
    'Cache-Control:public,s-maxage=9',
    'Set-Cookie:a=1',
    'WWW-Authenticate:Bearer',
    'WWW-Authenticate:Basic',
    'Keep-Alive:timeout=1',
    'X-A:\u00ff\u0080',
    '__proto__:x',
    ':x',
  ].join(' '),
).map((text) => text.replace(':', ': '));
const body = fc.constantFrom(
  'ok',
  '',
  '2\r\nok\r\n0\r\n\r\n',
  '2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n',
  'okHTTP/1.1 200 OK\r\n',
);
const ordinary = fc
  .tuple(statusLine, fc.array(field, { maxLength: 6 }), body)
  .map(([line, fields, rest]) => `${[line, ...fields].join('\r\n')}\r\n\r\n${rest}`);
/** A whole response as upstreams send it, with fields that may repeat. */
const valid = fc
  .tuple(
    wordOf('200 201 206 302 401 403 404 500 503'),
    fc.array(wordOf('Content-Type:a/b ETag:"a" Retry-After:1 Vary:*,A Server:x Location:/a X-A:b Age:1'), {
      maxLength: 5,
    }),
    fc.constantFrom(['Content-Length: 2', 'ok'], ['Transfer-Encoding: chunked', '2\r\nok\r\n0\r\n\r\n']),
  )
  .map(([code, fields, [framing = '', rest = '']]) =>
    [`HTTP/1.1 ${code} OK`, ...fields.map((text) => text.replace(':', ': ')), framing, '', rest].join('\r\n'),
  );
const switching = fc.constant(`${SWITCHING}\r\n`);
const responses: fc.Arbitrary<UpstreamResponse> = fc.record({
  bytes: fc.oneof(valid, mutated(valid), ordinary, mutated(switching)),
  isUpgrade: fc.boolean(),
  ends: fc.boolean(),
});

function ask(at: number, { isUpgrade }: UpstreamResponse): Promise<Outcome> {
  const line = lines[at];
  if (line === undefined) throw new Error(`there is no line ${at}`);
  const head = isUpgrade
    ? fixture.head(`GET /raw-socket/${at} HTTP/1.1`, `Origin: ${fixture.gateway.url}`, ...UPGRADE)
    : fixture.head(`GET /raw/${at} HTTP/1.1`);
  return line.ask(head, true);
}

/** Fails for a response that the browser must never get. */
function assertHarmless(outcome: Outcome, { isUpgrade }: UpstreamResponse): void {
  if (outcome === 'ended') return;
  assert.ok(outcome.status === 101 ? isUpgrade : outcome.status >= 200, `the status is ${outcome.status}`);
  const names = outcome.headers.map(([name]) => name.toLowerCase());
  const once = ['content-type', 'content-length', 'location', 'etag', 'retry-after', 'x-request-id'];
  for (const name of once) assert.ok(names.filter((each) => each === name).length < 2, `${name} is repeated`);
  assert.ok(!names.includes('set-cookie'));
  if (outcome.status === 101) assert.ok(names.includes('sec-websocket-accept'));
  else assert.ok(names.includes('x-request-id'));
}

describe('a fuzzed response of an upstream', () => {
  it('always leads to an outcome in the browser and leaves no upstream connection open', async () => {
    await fc.assert(
      fc.asyncProperty(fc.tuple(...lines.map(() => responses)), async (sent) => {
        current = sent;
        const outcomes = await allOf(sent.map((response, at) => ask(at, response)));
        for (const [at, outcome] of outcomes.entries()) {
          const response = sent[at];
          if (response !== undefined) assertHarmless(outcome, response);
        }
      }),
      extent({ short: 20, long: 6_400 }),
    );
    for (const line of lines) line.close();
    await expect.poll(() => open.size, PATIENCE).toBe(0);
    expect(fixture.gateway.logs()).not.toContain('unexpected error');
  });
});
