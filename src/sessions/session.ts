import type { LoginFlow } from '../provider/provider.ts';
import type { TokenSet } from '../tokens/token-set.ts';

/** A person signed in through one browser. Times are milliseconds since the epoch. */
export type SessionData = {
  readonly issuer: string;
  /** Who it is, together with `issuer`; never an email address or a name. */
  readonly subject: string;
  /** The provider's own session (`sid`), where it names one. */
  readonly providerSessionId?: string | undefined;
  /** When the provider issued the ID token of the sign-in, by its own clock; seconds since the epoch. */
  readonly signedInAtSeconds?: number | undefined;
  /** The claims of the newest ID token. */
  readonly claims: Readonly<Record<string, unknown>>;
  readonly tokens: TokenSet;
  /** How the person signed in, where the provider has to be reminded of it at each refresh. */
  readonly flow?: LoginFlow | undefined;
  readonly createdAtMs: number;
  /** When the session ends however much it is used. */
  readonly absoluteExpiresAtMs: number;
  /** The generation of sessions it belongs to, which the store writes down; absent for the first. */
  readonly generation?: number | undefined;
  /** When, in the last minute, its tokens were renewed: `refresh.maxPerMinute` counts over all processes. */
  readonly renewedAtMs?: readonly number[] | undefined;
  /** When, in the last minute, an upstream refused even a token that had just been renewed for it. */
  readonly refusedAtMs?: readonly number[] | undefined;
};

/**
 * What requests need of a session, and all that is kept of it in memory between them: no refresh token, no ID token, and
 * nothing about its person. That is less than half of it, and there are thousands.
 */
export type SessionView = {
  /** Its name, for the store, for its person and in the log: derived from its ticket one way, so that it opens nothing. */
  readonly key: string;
  readonly data: Pick<SessionData, 'generation'> & { readonly tokens: Pick<TokenSet, 'access'> };
  /** Raised by every write of the session. */
  readonly version: number;
  /** When the session ends unless it is used. */
  readonly idleExpiresAtMs: number;
  /** When the session ends however much it is used. */
  readonly endsAtMs: number;
  /** Whether there is a refresh token to renew its access tokens with. */
  readonly isRenewable: boolean;
};

/** A session as the store keeps it. */
export type SessionRecord = SessionView & { readonly data: SessionData };

/** Completes a record with what follows from its data. */
export function sessionRecord(
  given: Pick<SessionRecord, 'key' | 'data' | 'version' | 'idleExpiresAtMs'>,
): SessionRecord {
  const { data } = given;
  return {
    ...given,
    endsAtMs: sessionEndsAtMs(data),
    isRenewable: data.tokens.refreshToken !== undefined,
  };
}

/** Strips a record down to what requests need. */
export function sessionView({ data, ...rest }: SessionRecord): SessionView {
  const { generation, tokens } = data;
  return { ...rest, data: { generation, tokens: { access: tokens.access } } };
}

/**
 * When a session ends however much it is used: at its absolute limit, with its refresh token's known life, or when the newest
 * ID token says.
 */
export function sessionEndsAtMs({ absoluteExpiresAtMs, tokens, claims }: SessionData): number {
  return Math.min(absoluteExpiresAtMs, tokens.refreshExpiresAtMs ?? Infinity, claimedEndMs(claims));
}

/** When an ID token says that the session ends that it is for, by the claim `session_expiry` of IPSIE. */
export function claimedEndMs({ session_expiry: seconds }: SessionData['claims']): number {
  return typeof seconds === 'number' ? seconds * 1000 : Infinity;
}

/** Tells whether a session is over at `nowMs`, by its limits or with all of its generation. */
export function isOver(session: SessionView, nowMs: number, generation: number): boolean {
  return nowMs >= livesUntilMs(session) || isOutdated(session.data, generation);
}

/** When a session ends unless it is used, at its end at the latest. */
export function livesUntilMs({ idleExpiresAtMs, endsAtMs }: SessionView): number {
  return Math.min(idleExpiresAtMs, endsAtMs);
}

/** Tells whether a session was ended with all others of its generation. */
export function isOutdated(data: SessionView['data'], generation: number): boolean {
  return (data.generation ?? 0) < generation;
}

/** Whose sessions: those of one person at an issuer, or those that began in one session of the provider's (`sid`). */
export type Owner = { readonly kind: 'subject' | 'sid'; readonly issuer: string; readonly id: string };

/** Everybody whose session it is. */
export function ownersOf({ issuer, subject, providerSessionId }: SessionData): Owner[] {
  const person: Owner = { kind: 'subject', issuer, id: subject };
  return providerSessionId === undefined
    ? [person]
    : [person, { kind: 'sid', issuer, id: providerSessionId }];
}
