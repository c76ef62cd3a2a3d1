import type { DpopKey } from '../dpop/key.ts';
import type { SessionView } from '../sessions/session.ts';
import type { Audience } from '../tokens/audience.ts';

/** A session's access token for an audience, to be sent with one request. */
export type Credential = {
  readonly session: SessionView;
  readonly audience: Audience;
  readonly accessToken: string;
  /** The key that the token is bound to (RFC 9449); absent for a bearer token. */
  readonly dpopKey?: DpopKey | undefined;
};

/** Names a session's token for an audience. */
export function refreshKey({ key }: Pick<SessionView, 'key'>, { id }: Audience): string {
  return `${key} ${id}`;
}

/** Returns the access token of a session for an audience, whatever its freshness. */
export function accessTokenOf({ data }: SessionView, audience: Audience): string | undefined {
  return data.tokens.access[audience.id]?.value;
}

/** The credential of a session that is known to have a token for the audience. */
export function credentialOf(session: SessionView, audience: Audience): Credential {
  const accessToken = accessTokenOf(session, audience);
  if (accessToken === undefined)
    throw new Error('the refreshed session has no access token for the requested audience');
  return { session, audience, accessToken, dpopKey: session.data.dpopKey };
}
