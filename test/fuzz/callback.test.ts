import assert from 'node:assert/strict';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { extent } from '../../testkit/fuzz.ts';
import { authorize, beginLogin } from '../../testkit/gateway/login-steps.ts';
import { type TestGateway, openTestGateway } from '../../testkit/gateway/test-gateway.ts';
import { type Line, allOf, openLine } from './support/line.ts';
import { gadgets, mutated, wordOf } from './support/mutation.ts';

/** The number of concurrent browsers; each case has one callback per browser. */
const LINES = 8;
const LOGINS = 20;

/** A pending login: the parameters from the provider, and the cookie that binds it to the browser. */
type Waiting = { cookie: string; parameters: [name: string, value: string][]; redeemed: boolean };

let testGateway: TestGateway;
let lines: Line[];
let waiting: Waiting[];

beforeAll(async () => {
  testGateway = await openTestGateway({ config: { rateLimit: { callback: 0 } } });
  waiting = [];
  for (let login = 0; login < LOGINS; login += 1) {
    const agent = testGateway.browser();
    const begun = await beginLogin(agent);
    const callback = await authorize(agent, begun);
    const [cookie = ''] = begun.response.setCookies.map((line) => line.split(';', 1)[0]);
    waiting.push({ cookie, parameters: [...callback.searchParams], redeemed: false });
  }
  lines = Array.from({ length: LINES }, () => openLine(testGateway.gateway.port));
});

afterAll(async () => {
  for (const line of lines) line.close();
  await testGateway.close();
});

/** A possible callback: the raw query, and the login cookies. */
type Callback = { query: string; cookies: string };

const login = () => fc.constantFrom(...waiting);
const names = wordOf('code state iss error error_description session_state x id_token');
const sentValue = () =>
  fc.tuple(login(), fc.nat()).map(([{ parameters }, at]) => parameters[at % parameters.length]?.[1] ?? '');
const anyValue = () =>
  fc.oneof(
    sentValue(),
    mutated(sentValue()),
    fc.constantFrom(
      ...gadgets,
      'access_denied',
      'login_required',
      testGateway.provider.issuer,
      `${testGateway.provider.issuer}/`,
    ),
    fc.string({ maxLength: 30 }),
  );

type Parameters = Waiting['parameters'];

/** One change to the parameters that a provider sent. */
const edit = (): fc.Arbitrary<(parameters: Parameters) => Parameters> => {
  const replace = (all: Parameters, name: string, value: string | undefined) =>
    all.map(([known, former]): Parameters[0] => [known, known === name ? (value ?? former) : former]);
  return fc.oneof(
    names.map((name) => (all: Parameters) => all.filter(([known]) => known !== name)),
    names.map((name) => (all: Parameters) => [...all, ...all.filter(([known]) => known === name)]),
    fc.tuple(names, anyValue()).map((pair) => (all: Parameters) => [...all, pair]),
    fc.tuple(names, anyValue()).map(
      ([name, value]) =>
        (all: Parameters) =>
          replace(all, name, value),
    ),
    fc.tuple(names, login()).map(([name, { parameters }]) => {
      const value = parameters.find(([other]) => other === name)?.[1];
      return (all: Parameters) => replace(all, name, value);
    }),
    fc.constant((all: Parameters) => all.toReversed()),
    fc.constant((all: Parameters) => all.map(([name, value]): Parameters[0] => [`${name}[]`, value])),
  );
};

const callbacks = (): fc.Arbitrary<Callback> =>
  login().chain(({ parameters, cookie }) => {
    const query = fc
      .array(edit(), { maxLength: 3 })
      .map((edits) => `${new URLSearchParams(edits.reduce((all, apply) => apply(all), parameters))}`);
    return fc.record({
      query: fc.oneof({ weight: 6, arbitrary: query }, mutated(query)).map(withoutCodeInError),
      cookies: fc.oneof(
        { weight: 6, arbitrary: fc.constant(cookie) },
        fc.array(login(), { maxLength: 3 }).map((all) => all.map((other) => other.cookie).join('; ')),
        mutated(fc.constant(cookie)).map((text) => text.replace(/[^\x20-\x7e]/g, '')),
        fc.constant(cookie.replace(/=.*/, '=x')),
      ),
    });
  });

/** The response repeats the error parameter for developers, so a code in its place would appear there. */
function withoutCodeInError(query: string): string {
  const given = new URLSearchParams(query);
  const said = [...given.getAll('error'), ...given.getAll('error_description')].join();
  return said.includes('canary-') ? query.replaceAll('canary-', '') : query;
}

/** The login that a callback may complete, determined with knowledge of all secrets. */
function rightful({ query, cookies }: Callback): Waiting | undefined {
  const given = new URLSearchParams(query);
  return waiting.find(
    ({ cookie, parameters }) =>
      cookies.split('; ').includes(cookie) &&
      parameters.every(([name, value]) => {
        const values = given.getAll(name);
        return values.length === 1 && values[0] === value;
      }),
  );
}

describe('a fuzzed request to the callback', () => {
  it('signs in only with what the provider sent to this browser, only once, and never causes a 5xx response (standards: B2, B7, B9)', async () => {
    const { host } = new URL(testGateway.gateway.url);
    let finished = 0;
    const send = async (at: number, callback: Callback) => {
      const line = lines[at];
      if (line === undefined) throw new Error(`there is no line ${at}`);
      const head = `GET /auth/callback?${callback.query} HTTP/1.1\r\nHost: ${host}\r\nCookie: ${callback.cookies}`;
      const outcome = await line.ask(`${head}\r\n\r\n`, /^[!-~]*$/.test(callback.query));
      if (outcome === 'ended') return;
      const setsSession = /^set-cookie: coatcheck=[^;]/im.test(outcome.raw.toString('latin1'));
      assert.equal(setsSession, outcome.status === 303);
      // 431 for a query or a cookie that exceeds the header limit.
      if (outcome.status !== 303) return assert.ok([400, 431].includes(outcome.status), `${outcome.status}`);
      finished += 1;
      const own = rightful(callback);
      assert.equal(own?.redeemed, false);
      own.redeemed = true;
    };
    await fc.assert(
      fc.asyncProperty(fc.tuple(...lines.map(callbacks)), async (sent) => {
        await allOf(sent.map((callback, at) => send(at, callback)));
      }),
      extent({ short: 30, long: 12_800 }),
    );
    expect(finished).toBeGreaterThan(0);
    expect(finished).toBe(waiting.filter(({ redeemed }) => redeemed).length);
    expect(testGateway.gateway.logs()).not.toContain('unexpected error');
  });
});
