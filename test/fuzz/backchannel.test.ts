import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { extent } from '../../testkit/fuzz.ts';
import { type TestGateway, openTestGateway } from '../../testkit/gateway/test-gateway.ts';
import { type Line, allOf, openLine } from './support/line.ts';
import { gadgets, mutated } from './support/mutation.ts';

/** The number of concurrent logout requests; each case has one per client. */
const LINES = 8;
const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
const FORM = 'application/x-www-form-urlencoded';

let testGateway: TestGateway;
let lines: Line[];
/** Logout tokens about Alice, which would end her session; they are only sent modified. */
let aboutAlice: string[];
/** Correctly signed tokens that are not logout tokens. */
let others: string[];

type Claims = Record<string, unknown>;

const nowSeconds = () => Math.floor(Date.now() / 1000);
const rightClaims = (): Claims => ({
  iss: testGateway.provider.issuer,
  aud: testGateway.provider.client.id,
  iat: nowSeconds(),
  exp: nowSeconds() + 120,
  jti: randomUUID(),
  events: { [EVENT]: {} },
  sub: 'nobody',
});

beforeAll(async () => {
  testGateway = await openTestGateway({ config: { rateLimit: { backchannelLogout: 0 } } });
  await testGateway.agent.signIn('/', { loginHint: 'alice' });
  const sid = testGateway.provider.families[0]?.grant.sid;
  const ofAlice: Claims[] = [{ sub: 'alice' }, { sub: 'alice', sid }, { sub: undefined, sid }];
  aboutAlice = await Promise.all(
    ofAlice.map((owner) => testGateway.provider.sign({ ...rightClaims(), ...owner }, 'logout+jwt')),
  );
  others = [
    ...testGateway.provider.secrets(['id_token', 'access_token']),
    await testGateway.provider.sign({ ...rightClaims(), sub: 'alice' }, 'at+jwt'),
    await testGateway.provider.sign({ ...rightClaims(), sub: 'alice', nonce: 'n' }, 'logout+jwt'),
  ];
  lines = Array.from({ length: LINES }, () => openLine(testGateway.gateway.port));
});

afterAll(async () => {
  for (const line of lines) line.close();
  await testGateway.close();
});

const oddValue = () =>
  fc.oneof(
    fc.constantFrom<unknown>(
      undefined,
      null,
      true,
      0,
      -1,
      1.5,
      1e15,
      [],
      {},
      [[]],
      ['nobody'],
      'nobody',
      ...gadgets,
    ),
    fc.constantFrom<unknown>(
      testGateway.provider.issuer,
      `${testGateway.provider.issuer}/`,
      testGateway.provider.client.id,
      [testGateway.provider.client.id],
    ),
    fc.constantFrom<unknown>(
      [testGateway.provider.client.id, 'other'],
      { [EVENT]: null },
      { [EVENT]: [] },
      { [EVENT]: { a: 1 } },
      [EVENT],
    ),
    fc.integer({ min: -700, max: 700 }).map((offset) => nowSeconds() + offset),
    fc.json({ maxDepth: 2 }).map((text): unknown => JSON.parse(text)),
  );

/** Claims that the provider signs, with up to two of them odd. */
const claimEdits = () =>
  fc.array(
    fc.tuple(
      fc.constantFrom(
        'iss',
        'aud',
        'iat',
        'exp',
        'jti',
        'events',
        'sub',
        'sid',
        'nonce',
        'nbf',
        '__proto__',
        'x',
      ),
      oddValue(),
    ),
    { maxLength: 2 },
  );

/** Whether a token is one of Alice's, also in another spelling: some bits of a Base64 text have no meaning. */
function isAboutAlice(token: string): boolean {
  const spelledOut = (text: string) => {
    const [header, claims, signature = ''] = text.split('.');
    return [header, claims, Buffer.from(signature, 'base64url').toString('hex')].join('.');
  };
  return aboutAlice.some((one) => spelledOut(one) === spelledOut(token));
}

/** A token combined from the parts of two, or with one new part. */
const spliced = () =>
  fc
    .tuple(fc.constantFrom(...aboutAlice), fc.constantFrom(...aboutAlice, ...others), fc.nat(2), fc.nat(6))
    .map(([one, two, at, how]) => {
      const parts = one.split('.');
      const written = [
        { alg: 'none' },
        { alg: 'HS256' },
        { alg: 'RS256', jwk: {} },
        { alg: 'RS256', kid: '../x' },
      ][how];
      parts[at] =
        written === undefined
          ? (two.split('.')[at] ?? '')
          : Buffer.from(JSON.stringify(written)).toString('base64url');
      return parts.join('.');
    })
    .filter((token) => !isAboutAlice(token));

/** The sent data: claims to sign, or a body with a token that must be rejected. */
type Notice = { kind: 'claims'; edits: [name: string, value: unknown][] } | Body;
type Body = { kind: 'body'; type: string; body: string };

const notices = (): fc.Arbitrary<Notice> =>
  fc.oneof(
    { weight: 3, arbitrary: claimEdits().map((edits): Notice => ({ kind: 'claims', edits })) },
    {
      weight: 5,
      arbitrary: fc
        .oneof(mutated(fc.constantFrom(...aboutAlice)), spliced(), fc.constantFrom(...others, ...gadgets))
        .filter((token) => !isAboutAlice(token))
        .map((token): Notice => ({
          kind: 'body',
          type: FORM,
          body: `${new URLSearchParams({ logout_token: token })}`,
        })),
    },
    fc
      .tuple(
        fc.constantFrom(...aboutAlice),
        fc.constantFrom(
          'application/json',
          'text/plain',
          'multipart/form-data; boundary=x',
          `${FORM}; charset=utf-16`,
          '',
        ),
        fc.constantFrom(
          'logout_token=',
          'logout_token[]=',
          'LOGOUT_TOKEN=',
          '{"logout_token":"',
          'logout_token=x&logout_token=',
        ),
      )
      .map(([token, type, name]): Body => ({ kind: 'body', type, body: name + token }))
      .filter(
        ({ body, type }) => body.includes('&') || !body.startsWith('logout_token=') || !type.startsWith(FORM),
      ),
  );

/** Whether claims are those of a logout token for this client, according to section 2.6 of the standard. */
function isRight(claims: Claims): boolean {
  const { iss, aud, iat, exp, jti, events, sub, sid, nbf } = claims;
  const client = testGateway.provider.client.id;
  const isText = (value: unknown) => typeof value === 'string' && value !== '';
  const event: unknown = Object(events)[EVENT];
  return (
    iss === testGateway.provider.issuer &&
    (aud === client || (Array.isArray(aud) && aud.length === 1 && aud[0] === client)) &&
    typeof iat === 'number' &&
    Math.abs(nowSeconds() - iat) < 670 &&
    typeof exp === 'number' &&
    exp > nowSeconds() - 70 &&
    (nbf === undefined || (typeof nbf === 'number' && nbf < nowSeconds() + 70)) &&
    isText(jti) &&
    typeof event === 'object' &&
    event !== null &&
    !Array.isArray(event) &&
    (sub === undefined || isText(sub)) &&
    (sid === undefined || isText(sid)) &&
    (sub !== undefined || sid !== undefined) &&
    !Object.hasOwn(claims, 'nonce')
  );
}

describe('a fuzzed body posted to the back-channel logout endpoint', () => {
  it('is accepted only if it is a valid logout token, ends only its own sessions and never causes an unexpected error (standards: D9–D18, D21)', async () => {
    const { host } = new URL(testGateway.gateway.url);
    let taken = 0;
    const post = async (at: number, type: string, body: string) => {
      const line = lines[at];
      if (line === undefined) throw new Error(`there is no line ${at}`);
      const fields = [
        `Host: ${host}`,
        ...(type === '' ? [] : [`Content-Type: ${type}`]),
        `Content-Length: ${Buffer.byteLength(body, 'latin1')}`,
      ];
      const outcome = await line.ask(
        `POST /auth/backchannel-logout HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n${body}`,
        true,
      );
      if (outcome === 'ended') throw new Error('there was no response');
      return outcome.status;
    };
    const send = async (at: number, notice: Notice) => {
      if (notice.kind === 'body') {
        const status = await post(at, notice.type, notice.body);
        // 503: the key is unknown, and the JWKS may not be fetched again yet.
        return assert.ok([400, 413, 415, 503].includes(status), `the status is ${status}`);
      }
      // The sent claims are those that JSON can represent.
      const edited = { ...rightClaims(), ...Object.fromEntries(notice.edits) };
      const claims = JSON.parse(JSON.stringify(edited)) as Claims;
      const token = await testGateway.provider.sign(claims, 'logout+jwt');
      const status = await post(at, FORM, `${new URLSearchParams({ logout_token: token })}`);
      const isTaken = status === 200;
      if (isTaken) taken += 1;
      else assert.equal(status, 400);
      if (isTaken || notice.edits.length === 0) assert.equal(isTaken, isRight(claims));
    };
    await fc.assert(
      fc.asyncProperty(fc.tuple(...lines.map(notices)), async (sent) => {
        await allOf(sent.map((notice, at) => send(at, notice)));
      }),
      extent({ short: 30, long: 12_800 }),
    );
    expect(taken).toBeGreaterThan(0);
    expect((await testGateway.agent.fetch('/auth/session')).json()).toMatchObject({ subject: 'alice' });
    expect(testGateway.gateway.logs()).not.toContain('unexpected error');
  });
});
