import type { SessionView } from '../sessions/session.ts';
import type { Audience } from '../tokens/audience.ts';

/** A session's access token for an audience, to be sent with one request. */
export type Credential = {
  readonly stored: SessionView;
  readonly audience: Audience;
  readonly accessToken: string;
};

/** The access token that a session has for an audience, however fresh. */
export function accessTokenOf({ session }: SessionView, audience: Audience): string | undefined {
  return session.tokens.access[audience.id]?.value;
}

/** The credential of a session that is known to have a token for the audience. */
export function credentialOf(stored: SessionView, audience: Audience): Credential {
  const accessToken = accessTokenOf(stored, audience);
  if (accessToken === undefined)
    throw new Error('a renewed session has no token for the audience it was renewed for');
  return { stored, audience, accessToken };
}
