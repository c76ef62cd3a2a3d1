import { describe, expect, it } from 'vitest';
import { createEnvelopes } from '../../../../src/crypto/envelope.ts';
import { createKeyRing } from '../../../../src/crypto/key-ring.ts';
import { createRecordCodec } from '../../../../src/sessions/store/record/record.ts';
import { sessionEndsAtMs, type SessionData } from '../../../../src/sessions/session.ts';
import { sampleData } from '../sample.ts';

const envelopes = createEnvelopes(createKeyRing(['a-session-secret-Wd8kPz4RmX7vNq2TbL6h']));
const codec = createRecordCodec(envelopes);
const data = sampleData(Date.UTC(2026, 0, 15), { providerSessionId: 'sid', upstreamRefusalsAtMs: [1] });

/** The place of the record. */
const k1 = { name: 'k1', version: 1, endsAtMs: sessionEndsAtMs(data) };

describe('a session record', () => {
  it('opens to the session under the key it was written for', () => {
    expect(codec.decode(codec.encode(data, k1), k1)).toEqual(data);
  });

  it('does not open under another key (E5)', () => {
    expect(codec.decode(codec.encode(data, k1), { ...k1, name: 'k2' })).toBeUndefined();
  });

  it('reveals no token and no user (E5)', () => {
    const text = codec.encode(data, k1).toString('latin1');
    for (const secret of ['at-1', 'rt-1', 'id-1', 'ada', 'login.example.com'])
      expect(text).not.toContain(secret);
  });

  it.each([
    '{}',
    'null',
    '[]',
    '1',
    JSON.stringify({ ...data, tokens: {} }),
    JSON.stringify({ ...data, subject: 1 }),
  ])('is undefined when its sealed content is %.60o', (text) => {
    expect(codec.decode(envelopes.seal(text, 'k1', [1, k1.endsAtMs]), k1)).toBeUndefined();
  });

  it('of a newer version is read as far as this version understands it', () => {
    const newer = envelopes.seal(JSON.stringify({ ...data, later: true }), 'k1', [1, k1.endsAtMs]);
    expect(codec.decode(newer, k1)).toEqual(data);
  });
});

describe('the claims of a session record', () => {
  const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const idTokenOf = (claims: unknown) =>
    `${base64({ alg: 'RS256' })}.${base64(claims)}.${base64('signature')}`;
  const sizeOf = (value: SessionData) => codec.encode(value, k1).length;
  const claims = { sub: 'ada', name: 'Ada Ünïcode', roles: ['reader', { nested: 1 }], text: 'x'.repeat(300) };
  const withIdToken = (idToken: string) => ({ ...data, claims, tokens: { ...data.tokens, idToken } });

  it('are stored once when they equal those of the ID token exactly', () => {
    const same = withIdToken(idTokenOf(claims));
    expect(codec.decode(codec.encode(same, k1), k1)).toEqual(same);
    expect(sizeOf(withIdToken(idTokenOf({ ...claims, x: 1 }))) - sizeOf(same)).toBeGreaterThan(300);
  });

  it.each([
    ['are others', idTokenOf({ ...claims, name: 'Eve' })],
    ['come in another order', idTokenOf(Object.fromEntries(Object.entries(claims).toReversed()))],
    ['come without a readable token', 'opaque'],
  ])('are stored separately when those of the ID token %s', (_what, idToken) => {
    const other = withIdToken(idToken);
    expect(codec.decode(codec.encode(other, k1), k1)).toEqual(other);
  });

  it('are empty without claims and without an ID token', () => {
    const { claims: _claims, ...rest } = data;
    expect(codec.decode(envelopes.seal(JSON.stringify(rest), 'k1', [1, k1.endsAtMs]), k1)).toBeUndefined();
  });
});
