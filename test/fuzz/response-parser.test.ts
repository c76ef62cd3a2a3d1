import assert from 'node:assert/strict';
import http from 'node:http';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { extent } from '../../testkit/fuzz.ts';
import { parsePieces, type ParsedResponse } from '../../testkit/network/parsed-response.ts';
import { mutated, wordOf } from './support/mutation.ts';

/** What Node's client reads: nothing of a response that it rejects. */
type NodeReading = { status: number; fields: string[]; body: string; trailers: string[]; isWhole: boolean };

/** Reads a response, in latin1, that is followed by the end of the connection, with Node's own client. */
function readByNode(text: string, method: string): Promise<NodeReading | undefined> {
  return new Promise((resolve) => {
    const socket = new Duplex({
      read() {},
      write(_chunk, _encoding, done) {
        done();
        // Node does not listen before.
        setImmediate(() => {
          socket.push(Buffer.from(text, 'latin1'));
          socket.push(null);
        });
      },
    });
    const request = http.request({ method, createConnection: () => socket, maxHeaderSize: 131_072 });
    request.maxHeadersCount = 0;
    let read: NodeReading | undefined;
    const finish = () => setImmediate(() => resolve(read));
    request.on('response', (response) => {
      const { statusCode: status = 0, rawHeaders: fields } = response;
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString('latin1')));
      response.on('error', () => undefined);
      response.on('close', () => {
        read = { status, fields, body, trailers: response.rawTrailers, isWhole: response.complete };
        finish();
      });
    });
    request.on('upgrade', (_response, upgraded) => {
      upgraded.destroy();
      finish();
    });
    request.on('error', finish);
    request.end();
  });
}

const charactersOf = (characters: string) => fc.constantFrom(...characters.split(''));
const nameOf = wordOf(
  'Content-Type ETag Vary Set-Cookie X-A x-b __proto__ constructor Connection Keep-Alive Via',
);
const valueOf = fc.oneof(
  wordOf('a close keep-alive x,y timeout=5 \xff\x80 a:b "q" *'),
  fc.string({ unit: charactersOf('ab \t:;,"\xe4\xff'), maxLength: 12 }),
);
const fields = fc
  .array(fc.tuple(nameOf, wordOf(': :'), valueOf), { maxLength: 6 })
  .map((list) =>
    list.map(([name, colon, value]) => `${name}${colon === ':' ? ':' : ': '}${value}\r\n`).join(''),
  );
const text = fc.string({ unit: charactersOf('ok\r\n0;: \xe4'), maxLength: 30 });
const chunks = fc
  .tuple(
    fc.array(fc.tuple(text, wordOf('_ ;a ;a=b ;a="b"')), { maxLength: 4 }),
    fc.constantFrom('', 'X-Sum: 1\r\n', 'X-Sum: 1\r\nx-sum:2\r\nX-T: \t\r\n'),
  )
  .map(([pieces, trailers]) =>
    [
      ...pieces
        .filter(([piece]) => piece !== '')
        .map(
          ([piece, extension]) => `${piece.length.toString(16)}${extension.replace('_', '')}\r\n${piece}\r\n`,
        ),
      `0\r\n${trailers}\r\n`,
    ].join(''),
  );
const framed = fc.oneof(
  text.map((body) => `Content-Length: ${body.length}\r\n\r\n${body}`),
  chunks.map((body) => `Transfer-Encoding: chunked\r\n\r\n${body}`),
  text.map((body) => `\r\n${body}`),
);
const hints = fc.constantFrom(
  '',
  '',
  'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\n',
);
const bodiless = wordOf('204 304').map((code) => `HTTP/1.1 ${code} None\r\n`);
const valid = fc.oneof(
  fc
    .tuple(
      hints,
      wordOf('HTTP/1.1 HTTP/1.1 HTTP/1.0'),
      wordOf('200 201 205 302 401 404 503 999'),
      wordOf('_ OK \xe4'),
      fields,
      framed,
    )
    .map(
      ([before, version, code, reason, list, rest]) =>
        `${before}${version} ${code} ${reason}\r\n${list}${rest}`,
    ),
  fc.tuple(bodiless, fields).map(([line, list]) => `${line}${list}\r\n`),
);
/** Fields of the framing, as they should not be. */
const oddFraming = fc.constantFrom(
  'Content-Length: 2\r\nContent-Length: 2',
  'Content-Length: 2, 2',
  'Content-Length: +2',
  'Content-Length:',
  'Content-Length: 2 ',
  'Content-Length: 2\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: chunked, gzip',
  'Transfer-Encoding: CHUNKED',
  'Transfer-Encoding: chunked ',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding:\r\n chunked',
  'Transfer-Encoding: x\r\nContent-Length: 2',
);
/** Lines with the size of a chunk of two bytes, as they should not be. */
const oddChunkLine = fc
  .tuple(
    wordOf('2 02 +2 -2 0x2 2_ 2h 3 1'),
    fc.constantFrom('', ' ', '\t'),
    fc.constantFrom(
      '',
      ';',
      ';a',
      ';a=',
      ';=b',
      ';a b',
      ';a="b',
      ';a="\\"b"',
      ';a="b"c',
      ';;a',
      ';a;b=c',
      ';\xe4',
      ';a="\xe4"',
      ';a= b',
      '; a',
      ';a\t',
      ';a="\r"',
    ),
    fc.constantFrom('\r\n', '\r\n', '\r\n', '\n', '\r', ''),
  )
  .map((parts) => `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${parts.join('')}ok\r\n0\r\n\r\n`);
const odd = fc
  .tuple(oddFraming, fields, fc.constantFrom('ok', '2\r\nok\r\n0\r\n\r\n', '2\nok\n0\n\n', ''))
  .map(([framing, list, rest]) => `HTTP/1.1 200 OK\r\n${list}${framing}\r\n\r\n${rest}`);
const method = wordOf('GET GET GET POST HEAD');
const runs = extent<[string, string]>({ short: 1_500, long: 100_000 });

/** Fields as Node lists them, in the form of the parser. */
function fieldsOf(list: readonly string[]): Record<string, unknown> {
  const found = new Map<string, string | string[]>();
  for (let at = 0; at < list.length; at += 2) {
    const [name = '', value = ''] = list.slice(at, at + 2);
    const existing = found.get(name.toLowerCase());
    found.set(name.toLowerCase(), existing === undefined ? value : [existing, value].flat());
  }
  return Object.fromEntries(found);
}

/** Fails unless Node reads the same from a response that the parser accepts. */
function assertSame(read: ParsedResponse, byNode: NodeReading | undefined): void {
  assert.ok(byNode?.isWhole, 'Node rejects it');
  assert.deepEqual(read.status, byNode.status);
  assert.deepEqual(read.fields, fieldsOf(byNode.fields));
  assert.equal(read.body ?? '', byNode.body);
  assert.deepEqual(read.trailers, fieldsOf(byNode.trailers));
}

describe('a fuzzed response', () => {
  it('that is valid is read, and Node reads the same', async () => {
    await fc.assert(
      fc.asyncProperty(valid, method, async (bytes, verb) => {
        const read = parsePieces([bytes], verb);
        assert.equal(read.failure, undefined);
        assertSame(read, await readByNode(bytes, verb));
      }),
      runs,
    );
  });

  it('that is accepted is one that Node reads alike', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(mutated(valid), odd, mutated(odd), oddChunkLine, mutated(oddChunkLine)),
        method,
        async (bytes, verb) => {
          const latin1 = Buffer.from(bytes, 'latin1').toString('latin1');
          const read = parsePieces([latin1], verb);
          if (read.failure === undefined) assertSame(read, await readByNode(latin1, verb));
        },
      ),
      runs,
    );
  });

  it('is read alike in pieces of any size', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(
        fc.oneof(valid, mutated(valid), odd, oddChunkLine),
        method,
        sizes,
        (bytes, verb, lengths) => {
          const pieces: string[] = [];
          let rest = bytes;
          for (const length of lengths) {
            if (rest.length <= length) break;
            pieces.push(rest.slice(0, length));
            rest = rest.slice(length);
          }
          assert.deepEqual(parsePieces([...pieces, rest], verb), parsePieces([bytes], verb));
        },
      ),
      extent({ short: 3_000, long: 200_000 }),
    );
  });
});
