import type { DpopKey } from '../dpop/key.ts';
import type { Person } from '../observability/audit.ts';
import type { LoginFlow } from '../provider/provider.ts';
import type { TokenSet } from '../tokens/token-set.ts';
import { selectClaims } from './store/claim-selection.ts';
import type { SteppedUp } from './step-up-requirement.ts';

/** How often, and from when to when. Times are milliseconds since the epoch. */
export type ProviderRefusals = {
  readonly count: number;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
};

/** The content of a session: one user signed in through one browser. Times are milliseconds since the epoch. */
export type SessionData = {
  readonly issuer: string;
  /** Identifies the user together with `issuer`; never an email address or a name. */
  readonly subject: string;
  /** The provider's own session (`sid`), if the provider sends one. */
  readonly providerSessionId?: string | undefined;
  /** When the provider issued the ID token of the sign-in, on the provider's clock; seconds since the epoch. */
  readonly signedInAtSeconds?: number | undefined;
  /** The claims of the newest ID token. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** Claims of the userinfo endpoint at the sign-in that its ID token lacked. */
  readonly userinfo?: Readonly<Record<string, unknown>> | undefined;
  readonly tokens: TokenSet;
  /** The private key that the access tokens are bound to (RFC 9449); absent for bearer tokens. The sign-in made it. */
  readonly dpopKey?: DpopKey | undefined;
  /** How the user signed in, if refresh requests depend on it. */
  readonly flow?: LoginFlow | undefined;
  readonly createdAtMs: number;
  /** The absolute limit: use does not extend it. */
  readonly absoluteExpiresAtMs: number;
  /** The session generation, which the store assigns; absent for the first one. */
  readonly generation?: number | undefined;
  /** The id of the key that seals the session's cookie, which is never sealed again. */
  readonly ticketKeyId?: number | undefined;
  /** What step-ups brought; the next one asks for it again. */
  readonly steppedUp?: SteppedUp | undefined;
  /** The token refreshes of the last minute by audience: `refresh.maxPerMinute` counts across all processes. */
  readonly renewals?: Readonly<Record<string, readonly number[]>> | undefined;
  /** When, in the last minute, an upstream rejected a token that had just been refreshed. */
  readonly upstreamRefusalsAtMs?: readonly number[] | undefined;
  /** The refusals in a row of the refresh token by the provider, with an error that names no reason. */
  readonly providerRefusals?: ProviderRefusals | undefined;
};

/**
 * The part of a session that requests need, and the only part that stays in memory between requests: access tokens and the
 * key that they are bound to, and the claims that rules and identity headers need, but no refresh token, no ID token and no
 * other personal data. It is less than half of a record, and a process caches thousands.
 */
export type SessionView = {
  /** Names the session in the store, the API and the log. It is a hash of the ticket's identifier and gives no access. */
  readonly key: string;
  readonly data: Pick<SessionData, 'issuer' | 'generation' | 'dpopKey' | 'userinfo'> & {
    readonly tokens: Pick<TokenSet, 'access' | 'refreshExpiresAtMs'>;
    /** The selected claims, those of `userinfo` among them; undefined while nothing needs any. */
    readonly claims?: SessionData['claims'] | undefined;
  };
  /** Incremented by every write of the data. */
  readonly version: number;
  /** The idle limit, which use extends. */
  readonly idleExpiresAtMs: number;
  /** The latest end of the session: see {@link sessionEndsAtMs}. */
  readonly endsAtMs: number;
  /** True if that end is a limit of the provider: the expiry of the refresh token, or `session_expiry`. */
  readonly isLimitedByProvider: boolean;
  /** True if the session has a refresh token. */
  readonly isRenewable: boolean;
};

/**
 * Whose claims identity fields have: a session, or a caller with an access token of its own. The claims change only with `key` or
 * `version`.
 */
export type IdentitySource = Pick<SessionView, 'key' | 'version'> & {
  readonly data: Pick<SessionView['data'], 'claims' | 'userinfo'>;
};

/** A session as the store keeps it. */
export type SessionRecord = SessionView & { readonly data: SessionData };

/** Creates a record; derives the remaining fields from the data. */
export function sessionRecord(
  given: Pick<SessionRecord, 'key' | 'data' | 'version' | 'idleExpiresAtMs'>,
): SessionRecord {
  const { data } = given;
  return {
    ...given,
    endsAtMs: sessionEndsAtMs(data),
    isLimitedByProvider: providerLimitMs(data) <= data.absoluteExpiresAtMs,
    isRenewable: data.tokens.refreshToken !== undefined,
  };
}

/** Reduces a record to the fields that requests need, with the claims of these names. */
export function sessionView({ data, ...rest }: SessionRecord, claimNames?: ReadonlySet<string>): SessionView {
  const { issuer, generation, dpopKey, tokens } = data;
  const { access, refreshExpiresAtMs } = tokens;
  const view = { issuer, generation, dpopKey, tokens: { access, refreshExpiresAtMs } };
  if (claimNames === undefined) return { ...rest, data: view };
  return { ...rest, data: { ...view, claims: selectClaims(data, claimNames) } };
}

/**
 * The latest end of a session (epoch ms): the earliest of its absolute limit, the expiry of its refresh token and the
 * `session_expiry` of its newest ID token.
 */
export function sessionEndsAtMs(data: SessionData): number {
  return Math.min(data.absoluteExpiresAtMs, providerLimitMs(data));
}

function providerLimitMs({ tokens, claims }: SessionData): number {
  return Math.min(tokens.refreshExpiresAtMs ?? Infinity, claimedEndMs(claims));
}

/** The session end from the IPSIE `session_expiry` claim (epoch ms), or `Infinity`. */
export function claimedEndMs({ session_expiry: seconds }: SessionData['claims']): number {
  return typeof seconds === 'number' ? seconds * 1000 : Infinity;
}

/** True if a limit of the session has passed at `nowMs`, or its generation has ended. */
export function isOver(session: SessionView, nowMs: number, generation: number): boolean {
  return nowMs >= livesUntilMs(session) || isOutdated(session.data, generation);
}

/** When the session ends if it is not used again. */
export function livesUntilMs({ idleExpiresAtMs, endsAtMs }: SessionView): number {
  return Math.min(idleExpiresAtMs, endsAtMs);
}

/** True if the generation of the session has ended. */
export function isOutdated(data: SessionView['data'], generation: number): boolean {
  return (data.generation ?? 0) < generation;
}

/** A key of the session index: a user at an issuer, or a session at the provider (`sid`). */
export type Owner = { readonly kind: 'subject' | 'sid'; readonly issuer: string; readonly id: string };

/** The owners under which the index lists a session. */
export function ownersOf({ issuer, subject, providerSessionId }: SessionData): Owner[] {
  const person: Owner = { kind: 'subject', issuer, id: subject };
  return providerSessionId === undefined
    ? [person]
    : [person, { kind: 'sid', issuer, id: providerSessionId }];
}

/** Whose session it is. */
export function personOf({ issuer, subject }: Pick<SessionData, 'issuer' | 'subject'>): Person {
  return { issuer, subject };
}
