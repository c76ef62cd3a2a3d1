import { randomInt } from 'node:crypto';
import { cookieNamesStartingWith, readCookie } from '../../sessions/cookie.ts';

/** The cookie of a pending login. */
export type AttemptCookie = {
  readonly name: string;
  /** Compares as text. */
  readonly startedAt: string;
  /** Selects the cookie of a `state`; it proves nothing. */
  readonly stateHash: string;
  /** A short `returnTo`, for a failure while the store is down. Not authenticated. */
  readonly returnTo: string | undefined;
  /** An identifier or a seal; empty in a cookie that the gateway did not set. */
  readonly content: string;
};

/**
 * The cookies of pending logins. Their names are few and fixed: tabs that begin at the same moment do not see each other's
 * cookies, so only the names can bound how many a browser stores.
 */
export type AttemptSlots = {
  /** The name for another login: one that no recent login in `header` has, and another one at each call. */
  take(header: string | undefined): string;
  /** The only name for a login whose content is long. */
  readonly long: string;
  write(login: { startedAtMs: number; returnTo: string; stateHash: string }, content: string): string;
  read(header: string | undefined): { newestFirst: AttemptCookie[]; surplus: string[] };
};

/** 22 cookies of 125 characters and a long one have less than 4 kB: a proxy in front may limit all header fields to 8 kB. */
const SLOTS = 22;
/** The newest logins that another one does not displace. */
const RECENT = 11;
/** The total length of what the gateway reads, in characters. Cookies of an earlier version and planted ones may have more. */
const MAX_TOTAL_LENGTH = 4_000;

/** The longest `returnTo` in a cookie, encoded. */
const MAX_RETURN_TO = 40;

/** Start time, hash of `state`, `returnTo`, and an identifier or a seal. */
const VALUE = /^([0-9a-z]{9})\.([\w-]{8})\.([\w-]{0,40})\.([\w-]{32}|Fe26\.2\*.+)$/;

export function createAttemptSlots(prefix: string): AttemptSlots {
  const nameAt = (slot: number) => `${prefix}${String(slot).padStart(2, '0')}`;
  const long = `${prefix}long`;
  const names = new Set([long, ...Array.from({ length: SLOTS }, (_, slot) => nameAt(slot))]);
  let next = randomInt(SLOTS);
  const read: AttemptSlots['read'] = (header) => {
    const cookies = cookieNamesStartingWith(header, prefix).map((name) => parse(name, header));
    const newestFirst: AttemptCookie[] = [];
    const surplus: string[] = [];
    let totalLength = 0;
    for (const cookie of cookies.toSorted((a, b) => b.startedAt.localeCompare(a.startedAt))) {
      totalLength += cookie.length;
      if (totalLength > MAX_TOTAL_LENGTH) surplus.push(cookie.name);
      else newestFirst.push(cookie);
    }
    return { newestFirst, surplus };
  };
  const parse = (name: string, header: string | undefined) => {
    const cookie = readCookie(header, name);
    const value = cookie.kind === 'value' ? cookie.value : '';
    const length = name.length + value.length + '=; '.length;
    const [, startedAt = '', stateHash = '', encoded = '', content = ''] =
      (names.has(name) && VALUE.exec(value)) || [];
    const returnTo = encoded === '' ? undefined : Buffer.from(encoded, 'base64url').toString();
    return { name, startedAt, stateHash, returnTo, content, length };
  };

  return {
    take(header) {
      const recent = new Set(
        read(header)
          .newestFirst.slice(0, RECENT)
          .map(({ name }) => name),
      );
      let name: string;
      do {
        name = nameAt(next);
        next = (next + 1) % SLOTS;
      } while (recent.has(name));
      return name;
    },
    long,
    write({ startedAtMs, returnTo, stateHash }, content) {
      const encoded = Buffer.from(returnTo).toString('base64url');
      const short = encoded.length > MAX_RETURN_TO ? '' : encoded;
      return `${startedAtMs.toString(36).padStart(9, '0')}.${stateHash}.${short}.${content}`;
    },
    read,
  };
}
