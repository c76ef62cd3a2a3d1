import type { SessionView } from '../sessions/session.ts';
import type { Audience } from '../tokens/audience.ts';

/** A session's access token for an audience, to be sent with one request. */
export type Credential = {
  readonly session: SessionView;
  readonly audience: Audience;
  readonly accessToken: string;
};
