import { createBoundedMap } from '../concurrency/bounded-map.ts';
import { hashIdentifier, randomIdentifier } from '../crypto/identifier.ts';
import type { SealedCookies } from '../crypto/sealed-cookie.ts';
import { clearCookie, cookieName, readCookie, writeCookie, type CookieAttributes } from './cookie.ts';

/**
 * What the browser's cookie says: nothing, nothing valid, or which session it is the ticket of. `conflict`: two different
 * cookies of the name came, and one of them was planted. `unknown_key`: it names a key that this process does not have.
 */
export type TicketReading =
  | { kind: 'absent' }
  | { kind: 'invalid' }
  | { kind: 'conflict' }
  | { kind: 'unknown_key'; keyId: number }
  | { kind: 'ticket'; key: string };

/** The tickets that browsers keep: an opaque cookie around a random identifier, which names the session one way. */
export type Tickets = {
  /** Makes a new ticket: the session's key, and the Set-Cookie value that gives the ticket to the browser. */
  issue(): Promise<{ key: string; setCookie: string }>;
  read(cookieHeader: string | undefined): Promise<TicketReading>;
  /** The Set-Cookie value that takes the ticket back. */
  clear(): string;
  /** Forgets every seal that was opened before: call when the secrets have changed. */
  forget(): void;
};

/** As much of the hash as tells sessions apart, in characters of base64url: 132 bits. */
const KEY_LENGTH = 22;

const absent: TicketReading = { kind: 'absent' };
const invalid: TicketReading = { kind: 'invalid' };
const conflict: TicketReading = { kind: 'conflict' };

/**
 * Tickets sealed by iron-session. Opening a seal costs more than the rest of a request together (two PBKDF2 and an HMAC
 * through the thread pool), so up to `remembered` opened seals are kept in memory with the key they led to.
 */
export function createTickets(deps: {
  seals: SealedCookies;
  secure: boolean;
  sameSite: 'strict' | 'lax';
  remembered: number;
}): Tickets {
  const { seals, secure, sameSite, remembered } = deps;
  const name = cookieName('coatcheck', secure);
  const attributes: CookieAttributes = { secure, sameSite };
  const opened = createBoundedMap<string, TicketReading>({ maxEntries: remembered });

  return {
    async issue() {
      const id = randomIdentifier();
      const seal = await seals.seal({ id }, 0);
      return { key: keyOf(id), setCookie: writeCookie(name, seal, attributes) };
    },

    async read(header) {
      const cookie = readCookie(header, name);
      if (cookie.kind === 'absent') return absent;
      if (cookie.kind === 'conflict') return conflict;
      const known = opened.get(cookie.value);
      if (known !== undefined) return known;
      const keyId = seals.unknownKeyId(cookie.value);
      if (keyId !== undefined) return { kind: 'unknown_key', keyId };
      const id = (await seals.unseal(cookie.value))?.['id'];
      if (typeof id !== 'string') return invalid;
      const reading: TicketReading = { kind: 'ticket', key: keyOf(id) };
      opened.set(cookie.value, reading);
      return reading;
    },

    clear: () => clearCookie(name, attributes),
    forget: () => opened.clear(),
  };
}

function keyOf(id: string): string {
  return hashIdentifier('session', id).slice(0, KEY_LENGTH);
}
