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
