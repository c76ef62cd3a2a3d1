import { errors, type JWTPayload } from 'jose';
import type { OidcProviderConfig } from '../../config/schema/schema.ts';
import type { KeySet, Verified } from './key-set.ts';

/** What a provider says in a logout token: whose sign-ins it has ended. At least one of `subject` and `sid` is there. */
export type ProviderLogout = {
  readonly issuer: string;
  readonly subject: string | undefined;
  /** The provider's session that has ended; without it all sessions of the subject have. */
  readonly sid: string | undefined;
  /** What tells the token from all others of the issuer. */
  readonly tokenId: string;
  /** When it was said, by the provider's clock; seconds since the epoch. */
  readonly issuedAtSeconds: number;
  /** Until when the token would be taken, in milliseconds since the epoch. */
  readonly validUntilMs: number;
};

/** Checks a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.6). Throws an Error that says what is wrong. */
export type LogoutTokens = (logoutToken: string) => Promise<ProviderLogout>;

const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout';
const TYPE = 'logout+jwt';

/** How far the provider's clock may be from ours, in seconds. */
const CLOCK_TOLERANCE_SECONDS = 60;
/** How long after it was issued a logout token is taken, in seconds, however long it says it is valid. */
const MAX_AGE_SECONDS = 600;

/**
 * Logout tokens of one provider for one client. With `lenient` checks a token may do without what older versions of the
 * standard did not ask for: its type, and its end.
 */
export function createLogoutTokens(deps: {
  keySet: KeySet;
  issuer: string;
  clientId: string;
  checks: OidcProviderConfig['logoutTokens'];
  clock: () => number;
}): LogoutTokens {
  const { keySet, issuer, clientId, checks, clock } = deps;
  const isStrict = checks === 'strict';

  return async (logoutToken) => {
    const { header, claims } = await keySet.verify(logoutToken, {
      issuer,
      audience: clientId,
      requiredClaims: ['iat', 'jti', 'events', ...(isStrict ? ['exp'] : [])],
      maxTokenAge: MAX_AGE_SECONDS,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      currentDate: new Date(clock()),
    });
    checkType(header.typ, isStrict);
    // SECURITY: what makes it a logout token, and an ID token none (sections 2.4 and 4.1).
    checkEvents(claims['events']);
    if (Object.hasOwn(claims, 'nonce')) throw refuse('it has a "nonce", which only ID tokens have');
    if (Array.isArray(claims.aud) && claims.aud.length > 1)
      throw refuse('"aud" names audiences other than this client');
    const subject = textOf(claims, 'sub');
    const sid = textOf(claims, 'sid');
    if (subject === undefined && sid === undefined) throw refuse('it has neither "sub" nor "sid"');
    const issuedAtSeconds = claims.iat ?? 0;
    const { exp = Infinity } = claims;
    const lastSeconds = Math.min(exp, issuedAtSeconds + MAX_AGE_SECONDS) + CLOCK_TOLERANCE_SECONDS;
    return {
      issuer,
      subject,
      sid,
      tokenId: textOf(claims, 'jti') ?? '',
      issuedAtSeconds,
      validUntilMs: lastSeconds * 1000,
    };
  };
}

/** Section 2.4 recommends the type; who checks it cannot be shown a token of another kind (RFC 8725, section 3.11). */
function checkType(typ: Verified['header']['typ'], isStrict: boolean): void {
  const type = typ?.toLowerCase().replace(/^application\//, '');
  if (type === TYPE || (!isStrict && (type === undefined || type === 'jwt'))) return;
  throw refuse(`its type is not ${TYPE}`);
}

function checkEvents(events: unknown): void {
  if (!isObject(events) || !Object.hasOwn(events, LOGOUT_EVENT) || !isObject(events[LOGOUT_EVENT]))
    throw refuse('"events" does not contain the logout event');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(claims: JWTPayload, name: 'sub' | 'sid' | 'jti'): string | undefined {
  const value: unknown = claims[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || value === '') throw refuse(`"${name}" is not an identifier`);
  return value;
}

function refuse(what: string): Error {
  return new errors.JWTInvalid(what);
}
