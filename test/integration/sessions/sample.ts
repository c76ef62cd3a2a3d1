import type { Session } from '../../../src/sessions/session.ts';

/** A session that ends in an hour, with whatever a test gives it. */
export function sampleSession(given: Partial<Session> = {}): Session {
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

/** The session with other tokens, as after a refresh. */
export function renewed(session: Session, accessToken: string): Session {
  const access = { '': { value: accessToken, obtainedAtMs: Date.now() } };
  return { ...session, tokens: { ...session.tokens, access } };
}
