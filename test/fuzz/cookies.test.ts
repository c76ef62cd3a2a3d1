import assert from 'node:assert/strict';
import fc from 'fast-check';
import { beforeAll, describe, it } from 'vitest';
import { createLoginCookies } from '../../src/auth/login/login-cookies.ts';
import { createEnvelopes } from '../../src/crypto/envelope.ts';
import { createKeyRing } from '../../src/crypto/key-ring.ts';
import { createSealedCookies, type SealedCookies } from '../../src/crypto/sealed-cookie.ts';
import { createMemoryStore } from '../../src/sessions/store/memory-store.ts';
import type { SessionStore } from '../../src/sessions/store/store.ts';
import { createTickets } from '../../src/sessions/ticket.ts';
import { cookieNamesStartingWith, readCookie } from '../../src/sessions/cookie.ts';
import { extent } from '../../testkit/fuzz.ts';
import { gadgets, mutated } from './support/mutation.ts';

const NAME = '__Host-Http-coatcheck';
const STATE = 'the-state-of-a-login';
const keyRing = createKeyRing(['the-newest-secret-of-32-characters', 'an-older-secret-of-32-characters.']);
const seals = createSealedCookies(keyRing, 'session-cookie');
const loginSeals = createSealedCookies(keyRing, 'login-cookie');
const openTickets = () =>
  createTickets({ seals, secure: true, sameSite: 'strict', persistent: false, remembered: 10 });
const attempts = createMemoryStore({ clock: () => 1_000_000 });
let isDown = false;
const store: Pick<SessionStore, 'putMarker' | 'getMarker' | 'takeMarker'> = {
  ...attempts,
  async putMarker(...args) {
    if (isDown) throw new Error('away');
    return attempts.putMarker(...args);
  },
};
const loginCookies = createLoginCookies({
  seals: loginSeals,
  envelopes: createEnvelopes(keyRing),
  store,
  returnTo: (value) => value ?? undefined,
  defaultReturnTo: '/',
  secure: true,
  clock: () => 1_000_000,
});

/** A good ticket and good login cookies, one with its login and one whose login the store has, and seals that open but are neither: of other keys, purposes and contents. */
let ticket: string;
let ticketKey: string;
let login: { name: string; value: string };
let sealed: { name: string; value: string };
let others: string[];

beforeAll(async () => {
  const issued = await openTickets().issue(60_000);
  ticket = valueOf(issued.setCookie);
  ticketKey = issued.key;
  const attempt = { issuer: 'https://login.example.com', state: STATE, nonce: 'n', codeVerifier: 'v' };
  const begin = async () => {
    const [line = ''] = await loginCookies.set(
      { ...attempt, returnTo: '/', startedAtMs: 999_000 },
      undefined,
    );
    return { name: line.slice(0, line.indexOf('=')), value: valueOf(line) };
  };
  login = await begin();
  isDown = true;
  sealed = await begin();
  const foreign = createSealedCookies(
    createKeyRing(['another-secret-of-32-characters...']),
    'session-cookie',
  );
  const sealAll = (by: SealedCookies, values: Record<string, unknown>[]) =>
    Promise.all(values.map((value) => by.seal(value, 0)));
  others = [
    ...(await sealAll(seals, [{}, { id: 1 }, { id: null }, { id: ['x'] }, { ID: 'x' }])),
    ...(await sealAll(foreign, [{ id: 'x' }])),
    ...(await sealAll(loginSeals, [{ id: 'x' }, { state: STATE }, { state: [STATE], startedAtMs: 'x' }])),
    login.value,
    sealed.value,
  ];
});

/** What stands behind the start time and the hash, which only select. */
const contentOf = (loginCookie: string) => loginCookie.slice(loginCookie.lastIndexOf('.') + 1);

const valueOf = (setCookie: string) => /^[^=]*=([^;]*)/.exec(setCookie)?.[1] ?? '';

/** Values of cookies: good seals, seals of something else, changed ones, and none at all. */
const values = () =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(ticket, ...others) },
    { weight: 6, arbitrary: mutated(fc.constantFrom(ticket, ...others)) },
    swapped(fc.constantFrom(ticket, ...others)),
    fc.constantFrom(...gadgets),
    fc.string({ maxLength: 40 }),
  );

/** Seals combined from the parts of two. */
const swapped = (texts: fc.Arbitrary<string>) =>
  fc.tuple(texts, texts, fc.nat(9)).map(([one, two, at]) => {
    const parts = one.split('*');
    parts[at % parts.length] = two.split('*')[at] ?? '';
    return parts.join('*');
  });

const names = () =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(NAME, login.name, sealed.name) },
    fc.constantFrom(
      'coatcheck',
      NAME.toLowerCase(),
      ` ${NAME}`,
      `\u00a0${NAME}`,
      `${NAME}\u0085`,
      `${NAME}x`,
      '',
      '__proto__',
      `${login.name}x`,
    ),
    mutated(fc.constantFrom(NAME, login.name, sealed.name)),
  );

/** Cookie headers, as Node gives them: one text of any characters of latin1 but line breaks. */
const headers = () =>
  fc
    .tuple(
      fc.array(fc.tuple(names(), values()), { maxLength: 5 }),
      fc.constantFrom('; ', ';', ' ; ', ',', '; ;'),
      fc.constantFrom('=', '=', '=', ' = ', '==', ''),
    )
    .map(([pairs, separator, equals]) => pairs.map((pair) => pair.join(equals)).join(separator));

/** What browsers strip around a name and a value (RFC 6265bis, section 5.6), and nothing else of white space. */
const strip = (text: string) => text.replace(/^[ \t]+|[ \t]+$/g, '');

/** The values of one name, according to an independent reference parser. */
const valuesIn = (header: string, name: string) =>
  header
    .split(';')
    .filter((part) => part.includes('=') && strip(part.slice(0, part.indexOf('='))) === name)
    .map((part) => strip(part.slice(part.indexOf('=') + 1)));

describe('a fuzzed Cookie header', () => {
  it('opens a session only by its ticket, sent once or in agreeing copies, and never throws (standards: E3, E9)', async () => {
    await fc.assert(
      fc.asyncProperty(headers(), async (header) => {
        const reading = await openTickets().read(header);
        const found = new Set(valuesIn(header, NAME));
        if (found.size === 1 && found.has(ticket))
          assert.deepEqual(reading, { kind: 'ticket', key: ticketKey });
        else assert.notEqual(reading.kind, 'ticket');
      }),
      extent({ short: 1_000, long: 100_000 }),
    );
  });

  it('finds a login attempt only by its own cookie and never throws (standards: B2, B7)', async () => {
    await fc.assert(
      fc.asyncProperty(
        headers(),
        fc.constantFrom(STATE, 'another', '', '__proto__'),
        async (header, state) => {
          const found = await loginCookies.find(state, header);
          const others = await loginCookies.findOthers(state, header);
          for (const opened of [found ?? [], others].flat()) {
            assert.equal(opened.login.state, STATE);
            assert.ok([login, sealed].some(({ value }) => header.includes(contentOf(value))));
          }
          if (found !== undefined) assert.equal(state, STATE);
          for (const line of loginCookies.clear(state, header)) assert.match(line, /^[^\s;,="]+=; Path=\/; /);
        },
      ),
      extent({ short: 1_000, long: 100_000 }),
    );
  });

  it('is parsed as a reference parser parses it (standards: E9)', () => {
    fc.assert(
      fc.property(headers(), names(), (header, name) => {
        const reading = readCookie(header, name);
        const found = new Set(valuesIn(header, name));
        const [value = ''] = found;
        if (found.size > 1) assert.deepEqual(reading, { kind: 'conflict' });
        else assert.deepEqual(reading, value === '' ? { kind: 'absent' } : { kind: 'value', value });
        for (const seen of cookieNamesStartingWith(header, name)) assert.ok(seen.startsWith(name));
      }),
      extent({ short: 2_000, long: 100_000 }),
    );
  });
});
