import { createBoundedMap } from '../concurrency/bounded-map.ts';
import { hashIdentifier, randomIdentifier } from '../crypto/identifier.ts';
import { keyIdIn, type SealedCookies } from '../crypto/sealed-cookie.ts';
import { clearCookie, cookieName, readCookie, writeCookie, type CookieAttributes } from './cookie.ts';

/**
 * The ticket in a Cookie header. `key` names the session. `conflict`: the header has two different cookies of the name, of
 * which one is planted. `unknown_key`: the ticket is sealed with a secret that this process does not have.
 */
export type TicketReading =
  | { kind: 'absent' }
  | { kind: 'invalid' }
  | { kind: 'conflict' }
  | { kind: 'unknown_key'; keyId: number }
  | { kind: 'ticket'; key: string };

/** Tickets are opaque cookies around a random identifier. The key of the session is a hash of the identifier. */
export type Tickets = {
  /**
   * Creates a ticket for a session that lasts `lifetimeMs` at most; gives the key of its session, the id of the key that seals
   * it and the Set-Cookie value.
   */
  issue(lifetimeMs: number): Promise<{ key: string; keyId: number | undefined; setCookie: string }>;
  /** Throws `rate_limited` for a seal that is not in the cache, once `clientAddress` has sent too many forged ones. */
  read(cookieHeader: string | undefined, clientAddress?: string): Promise<TicketReading>;
  /** The key of a session whose ticket is in the cache of opened seals; for any other, only `read` knows. */
  readOpened(cookieHeader: string | undefined): string | undefined;
  /** The Set-Cookie value that deletes the ticket. */
  clear(): string;
  /** Drops the cache of opened seals, and repeats reads in progress: call when the secrets have changed. */
  clearCache(): void;
};

/** The length of a session key, in characters of base64url: 132 bits of the hash, enough to be unique. */
const KEY_LENGTH = 22;

const absent: TicketReading = { kind: 'absent' };
const invalid: TicketReading = { kind: 'invalid' };
const conflict: TicketReading = { kind: 'conflict' };

/** How much memory the cache of opened seals takes for each of them, in bytes: a seal has about 290 characters. */
const BYTES_PER_SEAL = 512;

/**
 * Sealed tickets. Opening a seal takes two key derivations, so memory keeps the keys of up to `remembered` seals that this
 * process has made or opened, of 512 bytes each on average.
 */
export function createTickets(deps: {
  seals: SealedCookies;
  secure: boolean;
  sameSite: 'strict' | 'lax';
  /** Whether the browser keeps the cookie when it closes, until the absolute limit of the session. */
  persistent: boolean;
  remembered: number;
}): Tickets {
  const { seals, secure, sameSite, persistent, remembered } = deps;
  const name = cookieName('coatcheck', secure);
  const attributes: CookieAttributes = { secure, sameSite };
  const opened = createBoundedMap<string, TicketReading>({
    maxEntries: remembered,
    maxSize: remembered * BYTES_PER_SEAL,
    sizeOf: (_reading, seal) => seal.length,
  });
  /** How often the secrets have changed. */
  let epoch = 0;

  const read: Tickets['read'] = async (header, clientAddress) => {
    const cookie = readCookie(header, name);
    if (cookie.kind === 'absent') return absent;
    if (cookie.kind === 'conflict') return conflict;
    const cached = opened.get(cookie.value);
    if (cached !== undefined) return cached;
    const keyId = seals.unknownKeyId(cookie.value);
    if (keyId !== undefined) return { kind: 'unknown_key', keyId };
    const startedIn = epoch;
    const id = (await seals.unseal(cookie.value, clientAddress))?.['id'];
    // SECURITY: the secret of the seal may have been removed while the seal was opened.
    if (startedIn !== epoch) return read(header, clientAddress);
    if (typeof id !== 'string') return invalid;
    const reading: TicketReading = { kind: 'ticket', key: keyOf(id) };
    opened.set(cookie.value, reading);
    return reading;
  };

  return {
    read,

    readOpened(header) {
      const cookie = readCookie(header, name);
      const reading = cookie.kind === 'value' ? opened.get(cookie.value) : undefined;
      return reading?.kind === 'ticket' ? reading.key : undefined;
    },

    async issue(lifetimeMs) {
      const id = randomIdentifier();
      const startedIn = epoch;
      const seal = await seals.seal({ id }, 0);
      const maxAge = Math.max(1, Math.floor(lifetimeMs / 1000));
      const withLifetime = persistent ? { ...attributes, maxAge } : attributes;
      const key = keyOf(id);
      // SECURITY: the secret of the seal may have been removed while the seal was made.
      if (startedIn === epoch) opened.set(seal, { kind: 'ticket', key });
      return { key, keyId: keyIdIn(seal), setCookie: writeCookie(name, seal, withLifetime) };
    },

    clear: () => clearCookie(name, attributes),
    clearCache() {
      epoch += 1;
      opened.clear();
    },
  };
}

function keyOf(id: string): string {
  return hashIdentifier('session', id).slice(0, KEY_LENGTH);
}
