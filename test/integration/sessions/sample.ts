import type { SessionData } from '../../../src/sessions/session.ts';

/** The data of a session that ends in an hour, with the given fields. */
export function sampleData(given: Partial<SessionData> = {}): SessionData {
  const now = Date.now();
  return {
    issuer: 'https://login.example.test',
    subject: 'alice',
    claims: { name: 'Alice Example', roles: ['reader'], nested: { ümlaut: '✓' } },
    tokens: {
      access: { '': { value: 'access-1', obtainedAtMs: now, expiresAtMs: now + 300_000, scope: 'openid' } },
      refreshToken: 'refresh-1',
      idToken: 'id-1',
    },
    createdAtMs: now,
    absoluteExpiresAtMs: now + 3_600_000,
    ...given,
  };
}

/** The data with a new access token, as after a refresh. */
export function refreshed(data: SessionData, accessToken: string): SessionData {
  const access = { '': { value: accessToken, obtainedAtMs: Date.now() } };
  return { ...data, tokens: { ...data.tokens, access } };
}
