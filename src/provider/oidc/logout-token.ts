import { decodeJwt, errors, type JWTPayload } from 'jose';
import { hasUntrustedAudience } from './audience.ts';
import { KeySetError, type KeySet, type Verified } from './key-set.ts';
import type { OidcProviderConfig } from './schema.ts';
import { PROVIDER_CLOCK_TOLERANCE_SECONDS } from '../../timing.ts';

/** The content of a logout token: the sign-ins that the provider has ended. It has a `subject`, a `sid` or both. */
export type ProviderLogout = {
  readonly issuer: string;
  readonly subject: string | undefined;
  /** The provider session that has ended; undefined when all sessions of the subject have. */
  readonly sid: string | undefined;
  /** The `jti`, unique among the tokens of the issuer. */
  readonly tokenId: string;
  /** By the provider's clock, in seconds since the epoch. */
  readonly issuedAtSeconds: number;
  /** When the gateway stops accepting the token, in milliseconds since the epoch. */
  readonly validUntilMs: number;
};

/**
 * Checks a logout token (OpenID Connect Back-Channel Logout 1.0, section 2.6). Throws a {@link KeySetError} when it cannot tell,
 * and otherwise an Error that says what is wrong.
 */
export type LogoutTokens = (logoutToken: string) => Promise<ProviderLogout>;

const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout';
const TYPE = 'logout+jwt';

/** The oldest logout token that the gateway accepts, in seconds, whatever its `exp`. */
const MAX_AGE_SECONDS = 600;

/**
 * Checks the logout tokens of one provider for one client. `strict` requires the type, which the standard only recommends;
 * `lenient` also accepts tokens without `exp`, which older versions of the standard did not require.
 */
export function createLogoutTokens(deps: {
  keySet: KeySet;
  issuer: string;
  clientId: string;
  /** Audiences that logout tokens may have besides this client. */
  audiences: readonly string[];
  checks: OidcProviderConfig['logoutTokens'];
  clock: () => number;
}): LogoutTokens {
  const { keySet, issuer, clientId, audiences, checks, clock } = deps;

  return async (logoutToken) => {
    const verified = keySet.verify(logoutToken, {
      issuer,
      audience: clientId,
      requiredClaims: ['iat', 'jti', 'events', ...(checks === 'lenient' ? [] : ['exp'])],
      maxTokenAge: MAX_AGE_SECONDS,
      clockTolerance: PROVIDER_CLOCK_TOLERANCE_SECONDS,
      currentDate: new Date(clock()),
    });
    const { header, claims } = await verified.catch((error: unknown) => {
      throw isForged(logoutToken, error) ? new errors.JWSSignatureVerificationFailed() : error;
    });
    checkType(header.typ, checks);
    // SECURITY: tells a logout token from an ID token (sections 2.4 and 4.1).
    checkEvents(claims['events']);
    if (Object.hasOwn(claims, 'nonce')) throw invalidToken('it has a "nonce", which only ID tokens have');
    if (hasUntrustedAudience(claims, { clientId, audiences }))
      throw invalidToken('"aud" names audiences other than this client');
    const subject = textOf(claims, 'sub');
    const sid = textOf(claims, 'sid');
    if (subject === undefined && sid === undefined) throw invalidToken('it has neither "sub" nor "sid"');
    const issuedAtSeconds = claims.iat ?? 0;
    const { exp = Infinity } = claims;
    const acceptedUntilSeconds =
      Math.min(exp, issuedAtSeconds + MAX_AGE_SECONDS) + PROVIDER_CLOCK_TOLERANCE_SECONDS;
    return {
      issuer,
      subject,
      sid,
      tokenId: textOf(claims, 'jti') ?? '',
      issuedAtSeconds,
      validUntilMs: acceptedUntilSeconds * 1000,
    };
  };
}

/**
 * True if the keys could not be fetched again, because forged tokens have used up the fetches, and those at hand were fetched
 * after this token says that it was signed: its key would be among them.
 */
function isForged(logoutToken: string, error: unknown): boolean {
  if (!(error instanceof KeySetError) || error.fetchedAtMs === undefined) return false;
  const { iat = -Infinity } = decodeJwt(logoutToken);
  return error.fetchedAtMs >= (iat + PROVIDER_CLOCK_TOLERANCE_SECONDS) * 1000;
}

/** Section 2.4 recommends the type; checking it rejects tokens of other kinds (RFC 8725, section 3.11). */
function checkType(typ: Verified['header']['typ'], checks: OidcProviderConfig['logoutTokens']): void {
  const type = typ?.toLowerCase().replace(/^application\//, '');
  if (type === TYPE || (checks !== 'strict' && (type === undefined || type === 'jwt'))) return;
  throw invalidToken(`its type is not ${TYPE}`);
}

function checkEvents(events: unknown): void {
  if (!isObject(events) || !Object.hasOwn(events, LOGOUT_EVENT) || !isObject(events[LOGOUT_EVENT]))
    throw invalidToken('"events" does not contain the logout event');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(claims: JWTPayload, name: 'sub' | 'sid' | 'jti'): string | undefined {
  const value: unknown = claims[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || value === '') throw invalidToken(`"${name}" is not an identifier`);
  return value;
}

function invalidToken(what: string): Error {
  return new errors.JWTInvalid(what);
}
