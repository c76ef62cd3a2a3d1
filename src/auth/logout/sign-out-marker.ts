import type { IncomingMessage } from 'node:http';
import {
  clearCookie,
  cookieName,
  readCookie,
  writeCookie,
  type CookieAttributes,
} from '../../sessions/cookie.ts';
import { isContinuedHere } from '../login/continuation.ts';

/**
 * Remembers in the browser, until it closes or somebody signs in, that its user has signed out here while the provider may still
 * know them: a page that starts a sign-in by itself would sign them in again.
 */
export type SignOutMarker = {
  /** The Set-Cookie value that sets the marker. */
  set(): string;
  /** The Set-Cookie values that remove the marker, if the browser has it. */
  clear(cookieHeader: string | undefined): string[];
  /** Whether a navigation to the sign-in would undo the sign-out: the browser has the marker, and nobody has clicked. */
  forbids(request: Pick<IncomingMessage, 'headers'>, query: URLSearchParams): boolean;
};

/** `SameSite=Lax`: it also holds for a sign-in that another site starts. */
export function createSignOutMarker({ secure }: { secure: boolean }): SignOutMarker {
  const name = cookieName('coatcheck-signed-out', secure);
  const attributes: CookieAttributes = { secure, sameSite: 'lax' };
  const isSet = (header: string | undefined) => readCookie(header, name).kind !== 'absent';
  return {
    set: () => writeCookie(name, '1', attributes),
    clear: (header) => (isSet(header) ? [clearCookie(name, attributes)] : []),
    forbids: (request, query) =>
      isSet(request.headers.cookie) && !isByUser(request) && !isContinuedHere(request, query),
  };
}

/** True for a click, a key and the address bar, and for clients that do not tell (Fetch Metadata, section 2.4). */
function isByUser({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return (
    headers['sec-fetch-user'] === '?1' ||
    headers['sec-fetch-site'] === 'none' ||
    headers['sec-fetch-mode'] === undefined
  );
}
