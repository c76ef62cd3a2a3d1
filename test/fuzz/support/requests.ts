import fc from 'fast-check';
import { gadgets, mutated, wordOf } from './mutation.ts';

/** A request as latin1 bytes. */
export type Probe = {
  text: string;
  /** Whether it is certainly one whole request, so that it must get a response. */
  isWhole: boolean;
};

/** The valid values that a client knows: the authority, session and login cookies, and served paths. */
export type Known = { host: string; cookies: readonly string[]; paths: readonly string[] };

const segment = fc.oneof(
  wordOf(
    'api public auth login callback socket x API %61pi api;v=1 . .. %2e %2E%2e ..; .%00. %2f %5c \\ | {} " #',
  ),
  wordOf('%252e%252e %25252e %c0%ae %e0%80%af %zz %'),
  fc.constantFrom('', '\u00e9', '\u0001', 'a'.repeat(300), '%41'.repeat(100)),
);
const query = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  wordOf('? ?x=1 ?state=x&code=y ?state=x&state=y ?returnTo=//evil ?/../.. ?x=%00 ?é'),
  fc.string({ maxLength: 30 }).map((text) => `?${text}`),
);

const target = ({ paths, host }: Known): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 12, arbitrary: fc.tuple(fc.constantFrom(...paths), query).map((parts) => parts.join('')) },
    {
      weight: 8,
      arbitrary: fc
        .tuple(fc.constantFrom(...paths), fc.array(segment, { minLength: 1, maxLength: 4 }), query)
        .map(([path, segments, end]) => `${[path === '/' ? '' : path, ...segments].join('/')}${end}`),
    },
    { weight: 3, arbitrary: mutated(fc.constantFrom(...paths)) },
    fc.constantFrom(
      '*',
      '//evil/api',
      '@evil/api',
      'evil:443',
      'http://evil/api',
      `http://${host}/api`,
      '',
      '/',
    ),
    fc.string({ unit: 'binary-ascii', maxLength: 40 }),
  );

const method = fc.oneof(
  { weight: 15, arbitrary: wordOf('GET HEAD POST PUT PATCH DELETE OPTIONS') },
  { weight: 2, arbitrary: wordOf('TRACE CONNECT PROPFIND QUERY PRI get') },
  fc.constantFrom('GE T', 'G\0T', '', 'X'.repeat(200)),
);
const version = fc.oneof(
  { weight: 30, arbitrary: fc.constant(' HTTP/1.1') },
  fc.constantFrom(' HTTP/1.0', ' HTTP/0.9', ' HTTP/2.0', ' HTTP/1.2', '', ' HTTP/1.1 ', ' ICY', ' http/1.1'),
);

const hostField = ({ host }: Known) =>
  fc.oneof(
    { weight: 20, arbitrary: fc.constant([`Host: ${host}`]) },
    fc.constantFrom(
      [],
      ['Host: evil'],
      [`Host: ${host}`, 'Host: evil'],
      [`Host: ${host.toUpperCase()}`],
      ['Host:'],
      [`Host : ${host}`],
      [`Host: ${host},evil`],
      [`Host: user@${host}`],
    ),
  );

const fieldName = fc.oneof(
  wordOf(
    'Authorization Cookie DPoP Forwarded X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X_Forwarded_For',
  ),
  wordOf(
    'X.Real.IP Connection Keep-Alive TE Trailer Upgrade Accept Range Via Max-Forwards X-HTTP-Method-Override',
  ),
  wordOf('Origin Sec-Fetch-Site Sec-Fetch-Mode X-CSRF Service-Worker Content-Type X-Request-Id'),
  wordOf('traceparent tracestate __proto__ constructor x'),
);
const fieldValue = fc.oneof(
  {
    weight: 6,
    arbitrary: wordOf('same-origin cross-site none navigate cors 1 null close trailers ::1 1.2.3.4'),
  },
  { weight: 3, arbitrary: fc.constantFrom('authorization, cookie', 'Bearer x') },
  { weight: 2, arbitrary: fc.string({ maxLength: 20 }) },
  fc.constantFrom(...gadgets),
);
const anyField = fc.tuple(fieldName, fieldValue).map(([name, value]) => `${name}: ${oneLine(value)}`);

const goodFields = ({ cookies, host }: Known) =>
  fc.constantFrom(
    ...cookies.map((cookie) => `Cookie: ${cookie}`),
    'Sec-Fetch-Site: same-origin',
    'X-CSRF: 1',
    `Origin: http://${host}`,
    'Accept: */*',
  );

/** Bodies with their framing fields. Those that a server may accept or reject are not certain requests. */
const framing = fc.oneof(
  { weight: 12, arbitrary: fc.constant({ fields: [] as string[], body: '', isSure: true }) },
  fc.string({ maxLength: 60 }).map((text) => ({
    fields: [`Content-Length: ${Buffer.byteLength(text, 'latin1')}`],
    body: text,
    isSure: true,
  })),
  fc
    .array(fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 40 }), { maxLength: 3 })
    .map((chunks) => ({
      fields: ['Transfer-Encoding: chunked'],
      body: [...chunks, ''].map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join(''),
      isSure: true,
    })),
  fc
    .tuple(
      fc.constantFrom(
        ['Content-Length: 3', 'Content-Length: 4'],
        ['Content-Length: 3', 'Transfer-Encoding: chunked'],
        ['Content-Length: +3'],
        ['Content-Length: 0x3'],
        ['Content-Length: 3,3'],
        ['Content-Length: 99'],
        ['Content-Length: 99999999999999999999'],
        ['Transfer-Encoding: gzip, chunked'],
        ['Transfer-Encoding: chunked, identity'],
        ['Transfer-Encoding: \vchunked'],
        ['Transfer-Encoding : chunked'],
        ['Expect: 100-continue', 'Content-Length: 3'],
        ['Expect: a miracle', 'Content-Length: 3'],
        [' folded: x'],
        ['no colon'],
      ),
      fc.constantFrom('abc', '3\r\nabc\r\n0\r\n\r\n', '0\r\n\r\n', 'zz\r\n', ''),
    )
    .map(([fields, body]) => ({ fields, body, isSure: false })),
);

const upgrade = fc.constantFrom<string[]>(
  [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ],
  ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: short'],
  ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'],
);

/** Requests made of good and hostile parts, some of them then changed byte by byte. */
export function probes(known: Known): fc.Arbitrary<Probe> {
  const good = fc.uniqueArray(goodFields(known), { maxLength: 4, selector: (field) => field.split(':')[0] });
  const fields = fc.tuple(good, fc.array(anyField, { maxLength: 2 })).map((parts) => parts.flat());
  const made = fc
    .record({
      start: fc.tuple(method, target(known), version),
      host: hostField(known),
      fields,
      framing,
      upgrade: fc.oneof({ weight: 15, arbitrary: fc.constant<string[]>([]) }, upgrade),
    })
    .map((parts) => {
      const [verb, path, protocol] = parts.start;
      const lines = [...parts.host, ...parts.fields, ...parts.upgrade, ...parts.framing.fields];
      const text = `${verb} ${path}${protocol}\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n${parts.framing.body}`;
      // A server may parse malformed bytes as the beginning of another request.
      const isPlain = /^[A-Z]+ \/[!-~]* HTTP\/1\.1$/.test(`${verb} ${path}${protocol}`) && verb !== 'CONNECT';
      const isSure =
        isPlain &&
        parts.framing.isSure &&
        parts.upgrade.length === 0 &&
        !/^(?:Upgrade|Connection)/m.test(text);
      return { text, isWhole: isSure };
    });
  const changed = mutated(made.map(({ text }) => text)).map((text) => ({ text, isWhole: false }));
  return fc.oneof({ weight: 9, arbitrary: made }, { weight: 1, arbitrary: changed });
}

function oneLine(value: string): string {
  return value.replace(/[\r\n]/g, '');
}
