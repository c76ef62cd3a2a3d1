import { UnusedTokensError, type SignIn } from '../provider/provider.ts';
import type { Sessions } from '../sessions/service.ts';

/** What a browser showed when it signed in. */
type Arrival = {
  readonly cookieHeader: string | undefined;
  /** The keys of sessions that the browser is known to have had before. */
  readonly replaces?: readonly string[];
  /** When the sign-in began, where that was before its token request; milliseconds since the epoch. */
  readonly beganAtMs?: number;
};

/**
 * Lets in who has signed in, whichever way: starts a session under a new ticket, and ends those that the browser had. What
 * no session holds is given back to the provider. Gives the key of the session and the Set-Cookie value.
 */
export type CompleteSignIn = (
  signingIn: Promise<SignIn>,
  arrival: Arrival,
) => Promise<{ key: string; setCookie: string }>;

export function createCompleteSignIn(sessions: Sessions): CompleteSignIn {
  return async (signingIn, { cookieHeader, replaces = [], beganAtMs }) => {
    const signIn = await signingIn.catch((error: unknown) => {
      if (error instanceof UnusedTokensError) sessions.revoke(error.refreshToken);
      throw error;
    });
    const start = async () => {
      // Those that the browser had when it began, and the one it still shows, if it shows any now.
      const shown = await sessions.peek(cookieHeader);
      const former = new Set(shown.kind === 'live' ? [...replaces, shown.session.key] : replaces);
      return sessions.start(signIn, { beganAtMs, replaces: former });
    };
    return start().catch((error: unknown) => {
      sessions.revoke(signIn.answer.refreshToken);
      throw error;
    });
  };
}
