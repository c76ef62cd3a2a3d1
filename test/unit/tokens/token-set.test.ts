import { describe, expect, it } from 'vitest';
import { createTokenSet, mergeRefreshResponse, type TokenSet } from '../../../src/tokens/token-set.ts';

const sentAtMs = Date.UTC(2026, 0, 15);
const old: TokenSet = {
  access: {
    '': { value: 'at-1', obtainedAtMs: sentAtMs - 300_000, expiresAtMs: sentAtMs, scope: 'openid email' },
    other: { value: 'at-other', obtainedAtMs: sentAtMs - 300_000 },
  },
  refreshToken: 'rt-1',
  refreshExpiresAtMs: sentAtMs + 60_000,
  idToken: 'id-1',
};

describe('the tokens of a new session', () => {
  it('live from the time of the request (G5)', () => {
    const response = {
      accessToken: 'at',
      expiresInSeconds: 300,
      refreshToken: 'rt',
      refreshExpiresInSeconds: 1800,
    };
    expect(createTokenSet({ ...response, scope: 'openid', idToken: 'id' }, sentAtMs)).toEqual({
      access: {
        '': { value: 'at', obtainedAtMs: sentAtMs, expiresAtMs: sentAtMs + 300_000, scope: 'openid' },
      },
      refreshToken: 'rt',
      refreshExpiresAtMs: sentAtMs + 1_800_000,
      idToken: 'id',
    });
  });

  it('have no known expiry when the provider gives none (G4)', () => {
    const tokens = createTokenSet({ accessToken: 'at' }, sentAtMs);
    expect(tokens.access['']?.expiresAtMs).toBeUndefined();
    expect(tokens.refreshExpiresAtMs).toBeUndefined();
  });

  it('live at most a year, so that no date overflows (G4)', () => {
    const tokens = createTokenSet({ accessToken: 'at', expiresInSeconds: 1e300 }, sentAtMs);
    expect(tokens.access['']?.expiresAtMs).toBe(sentAtMs + 365 * 86_400_000);
  });

  it('expire at a whole millisecond', () => {
    const tokens = createTokenSet({ accessToken: 'at', expiresInSeconds: 0.0015 }, sentAtMs);
    expect(tokens.access['']?.expiresAtMs).toBe(sentAtMs + 1);
  });
});

describe('a refresh response', () => {
  it('without a refresh token keeps the old one and its expiry (G2)', () => {
    const merged = mergeRefreshResponse(old, '', { accessToken: 'at-2', expiresInSeconds: 60 }, sentAtMs);
    expect(merged).toMatchObject({
      refreshToken: 'rt-1',
      refreshExpiresAtMs: sentAtMs + 60_000,
      idToken: 'id-1',
    });
    expect(merged.access['']).toMatchObject({ value: 'at-2', obtainedAtMs: sentAtMs, scope: 'openid email' });
  });

  it('with a refresh token discards the old one and its expiry (G2)', () => {
    const merged = mergeRefreshResponse(old, '', { accessToken: 'at-2', refreshToken: 'rt-2' }, sentAtMs);
    expect(merged.refreshToken).toBe('rt-2');
    expect(merged.refreshExpiresAtMs).toBeUndefined();
    expect(JSON.stringify(merged)).not.toContain('rt-1');
  });

  it('may extend the expiry of the same refresh token (G20)', () => {
    const response = { accessToken: 'at-2', refreshExpiresInSeconds: 10 };
    expect(mergeRefreshResponse(old, '', response, sentAtMs)).toMatchObject({
      refreshToken: 'rt-1',
      refreshExpiresAtMs: sentAtMs + 10_000,
    });
  });

  it('does not keep the expiry of the access token it replaces (G4)', () => {
    const merged = mergeRefreshResponse(old, '', { accessToken: 'at-2' }, sentAtMs);
    expect(merged.access['']?.expiresAtMs).toBeUndefined();
  });

  it('records a narrower scope and a newer ID token (G3)', () => {
    const response = { accessToken: 'at-2', scope: 'openid', idToken: 'id-2' };
    const merged = mergeRefreshResponse(old, '', response, sentAtMs);
    expect(merged.access['']?.scope).toBe('openid');
    expect(merged.idToken).toBe('id-2');
  });

  it('for one audience leaves the tokens of the others unchanged', () => {
    const merged = mergeRefreshResponse(
      old,
      'new',
      { accessToken: 'at-new', refreshToken: 'rt-2' },
      sentAtMs,
    );
    expect(merged.access['']).toBe(old.access['']);
    expect(merged.access['other']).toBe(old.access['other']);
    expect(merged.access['new']).toMatchObject({ value: 'at-new', scope: undefined });
    expect(merged.refreshToken).toBe('rt-2');
  });

  it('does not change the token set it was merged into', () => {
    const before = structuredClone(old);
    mergeRefreshResponse(old, '', { accessToken: 'at-2', refreshToken: 'rt-2' }, sentAtMs);
    expect(old).toEqual(before);
  });
});
