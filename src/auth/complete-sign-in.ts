import type { Audit, AuditedRequest } from '../observability/audit.ts';
import { stepUpExpired, stepUpUnmet } from '../provider/login-failure.ts';
import { UnusedTokensError, type SignIn } from '../provider/provider.ts';
import type { TokenRefresher } from '../refresh/token-refresher.ts';
import { usesSameGrant } from '../sessions/same-grant.ts';
import type { Sessions } from '../sessions/service.ts';
import { personOf } from '../sessions/session.ts';
import type { KeptRefreshToken } from '../tokens/token-set.ts';
import { findUnmet, type StepUp } from './step-up/check.ts';

/** The browser that signs in. */
type SignInBrowser = {
  /** The request that completes the sign-in. */
  readonly request: AuditedRequest;
  readonly cookieHeader: string | undefined;
  /** The keys of sessions that the browser had earlier; they end. */
  readonly replaces?: readonly string[];
  /** When the sign-in started, if before its token request; milliseconds since the epoch. */
  readonly beganAtMs?: number | undefined;
  /** Of a step-up: the sign-in must bring what it requires, or its session stays. */
  readonly stepUp?: StepUp | undefined;
};

/**
 * Completes a sign-in of any kind: starts a session under a new ticket and ends the browser's earlier sessions. When no
 * session starts, it revokes the new refresh token. Returns the session key and the Set-Cookie value.
 */
export type CompleteSignIn = (
  signInPromise: Promise<SignIn>,
  browser: SignInBrowser,
) => Promise<{ key: string; setCookie: string }>;

type SignInServices = {
  readonly sessions: Sessions;
  readonly refresher: Pick<TokenRefresher, 'withoutRefresh'>;
  /** Throws `not_allowed` for a user who may have no session. */
  readonly checkSignIn: (signIn: SignIn) => void;
  readonly audit: Audit;
};

export function createCompleteSignIn({
  sessions,
  refresher,
  checkSignIn,
  audit,
}: SignInServices): CompleteSignIn {
  const start = async (signIn: SignIn, browser: SignInBrowser, keeps?: KeptRefreshToken) => {
    const { cookieHeader, replaces = [], beganAtMs, stepUp } = browser;
    checkSignIn(signIn);
    // The sessions from the start of the sign-in, and the one whose cookie the browser sends now.
    const current = await sessions.peek(cookieHeader);
    const earlier = new Set(current.kind === 'live' ? [...replaces, current.session.key] : replaces);
    const started = await sessions.start(signIn, {
      beganAtMs,
      replaces: earlier,
      stepUp: stepUp && { from: stepUp.from, brought: stepUp.required, keeps },
    });
    recordSuccess(signIn, started.key, browser);
    return started;
  };

  const recordSuccess = (signIn: SignIn, session: string, { request, stepUp }: SignInBrowser) => {
    const person = personOf(signIn);
    if (stepUp === undefined) audit.record({ event: 'sign_in', person, session, request });
    else audit.record({ event: 'step_up_met', person, session, formerSession: stepUp.from, request });
  };

  const completeStepUp = async (signIn: SignIn, browser: SignInBrowser, stepUp: StepUp) => {
    let mayRevoke = false;
    try {
      const session = (await sessions.loadByKey(stepUp.from))?.data;
      // The session that stays must keep its grant.
      const isSameGrant = session !== undefined && usesSameGrant(session, grantOf(signIn, stepUp));
      mayRevoke = !isSameGrant;
      if (session === undefined) throw stepUpExpired('the session that this step-up began in has ended');
      const unmet = findUnmet(stepUp.required, { signIn, session, beganAtMs: stepUp.beganAtMs });
      if (unmet !== undefined) throw stepUpUnmet(unmet);
      // Some providers return a refresh token at the first consent only, and the one of the session stays valid.
      const keeps = isSameGrant ? session.tokens : undefined;
      return await start(signIn, browser, keeps);
    } catch (error) {
      if (mayRevoke) sessions.revoke(signIn.tokenResponse.refreshToken);
      throw error;
    }
  };

  return async (signInPromise, browser) => {
    const signIn = await signInPromise.catch((error: unknown) => {
      if (error instanceof UnusedTokensError) sessions.revoke(error.refreshToken);
      throw error;
    });
    const { stepUp } = browser;
    // A refresh that ended after its session would revoke what it got, and with that a grant that both sessions share.
    if (stepUp !== undefined)
      return refresher.withoutRefresh(stepUp.from, () => completeStepUp(signIn, browser, stepUp));
    return start(signIn, browser).catch((error: unknown) => {
      sessions.revoke(signIn.tokenResponse.refreshToken);
      throw error;
    });
  };
}

function grantOf({ issuer, subject, providerSessionId, tokenResponse }: SignIn, { required }: StepUp) {
  const { refreshToken } = tokenResponse;
  return { issuer, subject, providerSessionId, tokens: { refreshToken }, steppedUp: required };
}
