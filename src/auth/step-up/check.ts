import type { StepUpRequirement } from '../../errors.ts';
import type { SignIn } from '../../provider/provider.ts';
import type { SessionData } from '../../sessions/session.ts';
import { PROVIDER_CLOCK_TOLERANCE_SECONDS } from '../../timing.ts';

/** A step-up: a sign-in for a session that is valid, and not enough for a request (RFC 9470). */
export type StepUp = {
  readonly required: StepUpRequirement;
  /** The key of the session that needs it. */
  readonly from: string;
  readonly beganAtMs: number;
};

type Candidate = { readonly signIn: SignIn; readonly session: SessionData; readonly beganAtMs: number };

/** Why a sign-in does not meet a requirement; undefined when it does. */
export function findUnmet(required: StepUpRequirement, candidate: Candidate): string | undefined {
  const { signIn, session } = candidate;
  if (signIn.issuer !== session.issuer || signIn.subject !== session.subject)
    return 'another user has signed in';
  const { acr } = signIn.claims;
  if (required.acrValues.length > 0 && !(typeof acr === 'string' && required.acrValues.includes(acr)))
    return '"acr" is not one of the required values';
  if (required.maxAge !== undefined && !isRecent(required.maxAge, candidate))
    return '"auth_time" is missing, or older than the required max_age';
  // Without a scope in it, the response grants what was asked for (RFC 6749, section 5.1).
  const granted = signIn.tokenResponse.scope?.split(' ');
  if (granted !== undefined && required.scopes.some((scope) => !granted.includes(scope)))
    return 'the provider did not grant every required scope';
  return undefined;
}

/** The age counts at the start of the sign-in: the time that a user takes at the provider makes no authentication old. */
function isRecent(maxAge: number, { signIn, session, beganAtMs }: Candidate): boolean {
  const authTime = signIn.claims['auth_time'];
  if (typeof authTime !== 'number') return false;
  const earlier = session.claims['auth_time'];
  // The authentication of the session itself is at least as old as the session, whatever the provider's clock says.
  const isNew = typeof earlier !== 'number' || authTime > earlier;
  if (!isNew && beganAtMs - session.createdAtMs > maxAge * 1000) return false;
  return beganAtMs / 1000 - authTime <= maxAge + PROVIDER_CLOCK_TOLERANCE_SECONDS;
}
