import type { TokenSet } from '../tokens/token-set.ts';

/** A person signed in through one browser. Times are milliseconds since the epoch. */
export type Session = {
  readonly issuer: string;
  /** Who it is, together with `issuer`; never an email address or a name. */
  readonly subject: string;
  /** The provider's own session (`sid`), where it names one. */
  readonly providerSessionId?: string | undefined;
  /** The claims of the newest ID token. */
  readonly claims: Readonly<Record<string, unknown>>;
  readonly tokens: TokenSet;
  readonly createdAtMs: number;
  /** When the session ends however much it is used. */
  readonly absoluteExpiresAtMs: number;
  /** When, in the last minute, an upstream refused even a token that had just been renewed for it. */
  readonly refusedAtMs?: readonly number[] | undefined;
};

/** A session as the store holds it. `key` names it in the store and is derived from its ticket one way. */
export type StoredSession = {
  readonly key: string;
  readonly session: Session;
  /** Raised by every write of the session. */
  readonly version: number;
  /** When the session ends unless it is used. */
  readonly idleExpiresAtMs: number;
};

/** When a session ends however much it is used: at its absolute limit, or with its refresh token's known life. */
export function sessionEndsAtMs({ absoluteExpiresAtMs, tokens }: Session): number {
  return Math.min(absoluteExpiresAtMs, tokens.refreshExpiresAtMs ?? Infinity);
}

/** Tells whether a session is over at `nowMs`. */
export function isOver({ session, idleExpiresAtMs }: StoredSession, nowMs: number): boolean {
  return nowMs >= idleExpiresAtMs || nowMs >= sessionEndsAtMs(session);
}
