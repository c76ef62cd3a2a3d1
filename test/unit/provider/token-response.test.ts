import { describe, expect, it } from 'vitest';
import {
  detachIdToken,
  normalizeTokenResponse,
  readTokenResponse,
  reattachIdToken,
} from '../../../src/provider/token-response.ts';

const bearer = { access_token: 'at', token_type: 'Bearer' };

/** The normalized form of a minimal token response with these members. */
function normalized(members: Record<string, unknown>): unknown {
  return JSON.parse(normalizeTokenResponse(JSON.stringify({ ...bearer, ...members })));
}

describe('a normalized token response', () => {
  it.each([300, 0.5])('keeps the lifetime %d', (seconds) => {
    expect(normalized({ expires_in: seconds })).toEqual({ ...bearer, expires_in: seconds });
  });

  it('converts a lifetime from text to a number (G4)', () => {
    expect(normalized({ expires_in: '300' })).toEqual({ ...bearer, expires_in: 300 });
  });

  it.each([0, -1, 'soon', null, true, {}])('has no lifetime if expires_in is %o (G4)', (value) => {
    expect(normalized({ expires_in: value })).toEqual(bearer);
  });

  it.each([null, '', 0, {}])('has no refresh token, ID token or scope if the member is %o (G2)', (value) => {
    expect(normalized({ refresh_token: value, id_token: value, scope: value })).toEqual(bearer);
  });

  it('keeps unknown members (C16)', () => {
    const members = { refresh_token: 'rt', session_state: 'x', not_before_policy: 0, nested: { a: [1] } };
    expect(normalized(members)).toEqual({ ...bearer, ...members });
  });

  it.each([
    '',
    '<html>',
    '[]',
    'null',
    '"text"',
    '{"error":"invalid_grant","expires_in":"x"}',
    '{"access_token":1}',
  ])('is %o unchanged, because that is not a token response', (text) => {
    expect(normalizeTokenResponse(text)).toBe(text);
  });

  it('treats no member as a prototype', () => {
    const text = normalizeTokenResponse('{"access_token":"at","__proto__":{"refresh_token":"evil"}}');
    expect(JSON.parse(text).refresh_token).toBeUndefined();
    expect(readTokenResponse(JSON.parse(text)).refreshToken).toBeUndefined();
  });
});

describe('a detached ID token', () => {
  it('is hidden from openid-client and returned beside the tokens (G21)', () => {
    const detached = JSON.parse(
      detachIdToken(JSON.stringify({ ...bearer, id_token: 'h.p.s', expires_in: '60' })),
    );
    expect(detached).not.toHaveProperty('id_token');
    expect(detached).toMatchObject({ ...bearer, expires_in: 60 });
    expect(reattachIdToken(detached)).toEqual({ ...bearer, expires_in: 60, id_token: 'h.p.s' });
  });

  it('is absent if the response has none or an empty one', () => {
    for (const idToken of [undefined, null, '']) {
      const text = detachIdToken(JSON.stringify({ ...bearer, id_token: idToken }));
      expect(JSON.parse(text)).toEqual(bearer);
      expect(readTokenResponse(reattachIdToken(JSON.parse(text))).idToken).toBeUndefined();
    }
  });

  it('leaves a response without tokens unchanged', () => {
    for (const text of ['<html>', '{"error":"invalid_grant"}', '[{"id_token":"x"}]'])
      expect(detachIdToken(text)).toBe(text);
  });
});

describe('a token response', () => {
  it('contains the tokens and their lifetimes', () => {
    const members = {
      expires_in: 300,
      scope: 'openid',
      refresh_token: 'rt',
      refresh_expires_in: 1800,
      id_token: 'id',
    };
    expect(readTokenResponse({ ...bearer, ...members })).toEqual({
      accessToken: 'at',
      expiresInSeconds: 300,
      scope: 'openid',
      refreshToken: 'rt',
      refreshExpiresInSeconds: 1800,
      idToken: 'id',
    });
  });

  it.each([
    [{ refresh_expires_in: 1800 }, 1800],
    [{ refresh_token_expires_in: 604_799 }, 604_799],
    [{ refresh_expires_in: 60, refresh_token_expires_in: 90 }, 60],
    [{ refresh_expires_in: 0 }, undefined],
    [{ refresh_expires_in: '1800' }, 1800],
    [{}, undefined],
  ])('with %o has a refresh token that lives %o seconds (G20)', (members, seconds) => {
    expect(readTokenResponse({ ...bearer, ...members }).refreshExpiresInSeconds).toBe(seconds);
  });

  it('is empty if the response contains none of its members', () => {
    expect(readTokenResponse({})).toEqual({
      accessToken: '',
      expiresInSeconds: undefined,
      scope: undefined,
      refreshToken: undefined,
      refreshExpiresInSeconds: undefined,
      idToken: undefined,
    });
  });
});
