import type { StepUpLimits } from '../../config/step-up-limits.ts';
import { stepUpRequired, type GatewayError, type StepUpRequirement } from '../../errors.ts';
import { createLimitedWarning } from '../../observability/log-limit.ts';
import type { Logger } from '../../observability/log.ts';
import type { Audience } from '../../tokens/audience.ts';
import type { ResponseHead } from './response-head.ts';
import { parseChallenges, type Challenge, type WwwAuthenticate } from './www-authenticate.ts';

/**
 * What an upstream's 401 or 403 requires: another token (`refresh`), another sign-in (`step_up`, RFC 9470), or nothing that
 * the gateway could give (`pass`).
 */
export type ChallengeAction =
  | { readonly kind: 'refresh' | 'pass' }
  | {
      readonly kind: 'step_up';
      readonly requirement: StepUpRequirement;
      /** True if the token lacks scopes only: without all of them, the same request fails again. */
      readonly isForScopes: boolean;
    };

const isOfToken = ({ scheme }: Challenge) => scheme === 'bearer' || scheme === 'dpop';
const hasError = (code: string) => (challenge: Challenge) => challenge.error === code;

/** The shortest time between two warnings, in milliseconds: every request may cause one. */
const WARNING_INTERVAL_MS = 60_000;

const refresh: ChallengeAction = { kind: 'refresh' };
const pass: ChallengeAction = { kind: 'pass' };

/** What a response asks for; undefined where it is no 401, and no 403 that another sign-in could change. */
export type ActionOn = (head: ResponseHead) => ChallengeAction | undefined;

/** Never asks for a scope that the configuration does not permit; a warning names what a challenge asks for in vain. */
export function createActionOn(deps: {
  limits: Pick<StepUpLimits, 'isPermittedScope'>;
  clock: () => number;
  log: Logger;
}): ActionOn {
  const { isPermittedScope } = deps.limits;
  const warn = createLimitedWarning({ ...deps, intervalMs: WARNING_INTERVAL_MS });
  const permitted = (action: ChallengeAction): ChallengeAction => {
    if (action.kind !== 'step_up') return action;
    const { requirement, isForScopes } = action;
    const refused = requirement.scopes.filter((scope) => !isPermittedScope(scope));
    if (refused.length === 0) return action;
    warn(
      { scopes: refused },
      'an API asks for a scope that the configuration does not name; name it in login.stepUp.scopes if APIs may ask for it',
    );
    return isForScopes
      ? pass
      : { ...action, requirement: { ...requirement, scopes: requirement.scopes.filter(isPermittedScope) } };
  };
  return ({ status, headers }) => {
    const challenge: WwwAuthenticate = headers['www-authenticate'];
    if (status === 401) return permitted(actionOn401(challenge));
    const action = status === 403 ? permitted(actionOn403(challenge)) : pass;
    return action.kind === 'pass' ? undefined : action;
  };
}

/** True for a refusal that asks for a nonce in the proof (RFC 9449, section 9). */
export function asksForNonce({ status, headers }: ResponseHead): boolean {
  if (status !== 401) return false;
  const challenge: WwwAuthenticate = headers['www-authenticate'];
  return parseChallenges(challenge).some(
    ({ scheme, error }) => scheme === 'dpop' && error === 'use_dpop_nonce',
  );
}

/** The error for a request whose upstream requires another sign-in. The token for this audience must then have its scopes. */
export function upstreamRequiresStepUp(
  requirement: StepUpRequirement,
  { id, scopes }: Audience,
): GatewayError {
  // A token without scopes of its own has every scope that is granted.
  const isNarrow = scopes.length > 0 && requirement.scopes.length > 0;
  return stepUpRequired('This request requires a stronger sign-in.', {
    ...requirement,
    ...(isNarrow && { audienceScopes: { [id]: requirement.scopes } }),
  });
}

/**
 * Reads the challenges of a 401 (RFC 9110, section 11.6.1; RFC 6750, section 3). A Bearer challenge without an error, or
 * no challenge at all, is what many APIs say of an expired token.
 */
export function actionOn401(wwwAuthenticate: WwwAuthenticate): ChallengeAction {
  const challenges = parseChallenges(wwwAuthenticate);
  if (challenges.length === 0) return refresh;
  const ofToken = challenges.filter(isOfToken);
  const weak = ofToken.find(hasError('insufficient_user_authentication'));
  if (weak !== undefined) return { kind: 'step_up', requirement: requirementOf(weak), isForScopes: false };
  if (ofToken.some(({ error }) => error === undefined || error === 'invalid_token')) return refresh;
  return actionOnScope(ofToken);
}

/** Reads the challenges of a 403, which may name scopes that the token lacks (RFC 6750, section 3.1). */
export function actionOn403(wwwAuthenticate: WwwAuthenticate): ChallengeAction {
  return wwwAuthenticate === undefined
    ? pass
    : actionOnScope(parseChallenges(wwwAuthenticate).filter(isOfToken));
}

/** Without a scope there is nothing to ask for. */
function actionOnScope(challenges: readonly Challenge[]): ChallengeAction {
  const { scope } = challenges.find(hasError('insufficient_scope')) ?? {};
  const scopes = readValues(scope, SCOPE_LIMITS);
  if (scopes.length === 0) return pass;
  const requirement = { acrValues: [], maxAge: undefined, scopes, resources: [] };
  return { kind: 'step_up', requirement, isForScopes: true };
}

function requirementOf(challenge: Challenge): StepUpRequirement {
  return {
    acrValues: readValues(challenge.acr_values, ACR_LIMITS),
    maxAge: /^\d{1,9}$/.test(challenge.max_age ?? '') ? Number(challenge.max_age) : undefined,
    scopes: readValues(challenge.scope, SCOPE_LIMITS),
    resources: [],
  };
}

type Limits = { readonly count: number; readonly length: number };
/** The values of all together, so that the login URL that names them stays short. */
const ACR_LIMITS: Limits = { count: 10, length: 512 };
const SCOPE_LIMITS: Limits = { count: 20, length: 1_024 };

/** The characters of a scope (RFC 6749, section 3.3). */
const value = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/**
 * The values of a list that spaces separate, each once.
 *
 * SECURITY: an upstream's text becomes part of a URL and of a request to the provider: other characters, and values beyond
 * the limits, are dropped. The upstream asks again for what is missing.
 */
function readValues(list: string | undefined, { count, length }: Limits): string[] {
  let left = length;
  const values = new Set<string>();
  for (const candidate of (list ?? '').split(' ')) {
    if (!value.test(candidate) || values.has(candidate)) continue;
    if (values.size === count || candidate.length > left) break;
    left -= candidate.length;
    values.add(candidate);
  }
  return [...values];
}
