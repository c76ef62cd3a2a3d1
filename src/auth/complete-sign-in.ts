import { UnusedTokensError, type SignIn } from '../provider/provider.ts';
import type { Sessions } from '../sessions/service.ts';

/** The browser that signs in. */
type SignInBrowser = {
  readonly cookieHeader: string | undefined;
  /** The keys of sessions that the browser had earlier; they end. */
  readonly replaces?: readonly string[];
  /** When the sign-in started, if before its token request; milliseconds since the epoch. */
  readonly beganAtMs?: number;
};

/**
 * Completes a sign-in of any kind: starts a session under a new ticket and ends the browser's earlier sessions. When no
 * session starts, it revokes the new refresh token. Returns the session key and the Set-Cookie value.
 */
export type CompleteSignIn = (
  signInPromise: Promise<SignIn>,
  browser: SignInBrowser,
) => Promise<{ key: string; setCookie: string }>;

export function createCompleteSignIn(sessions: Sessions): CompleteSignIn {
  return async (signInPromise, { cookieHeader, replaces = [], beganAtMs }) => {
    const signIn = await signInPromise.catch((error: unknown) => {
      if (error instanceof UnusedTokensError) sessions.revoke(error.refreshToken);
      throw error;
    });
    const start = async () => {
      // The sessions from the start of the sign-in, and the one whose cookie the browser sends now.
      const current = await sessions.peek(cookieHeader);
      const earlier = new Set(current.kind === 'live' ? [...replaces, current.session.key] : replaces);
      return sessions.start(signIn, { beganAtMs, replaces: earlier });
    };
    return start().catch((error: unknown) => {
      sessions.revoke(signIn.tokenResponse.refreshToken);
      throw error;
    });
  };
}
