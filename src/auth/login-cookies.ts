import { z } from 'zod';
import { hashIdentifier } from '../crypto/identifier.ts';
import type { SealedCookies } from '../crypto/sealed-cookie.ts';
import type { LoginAttempt } from '../provider/provider.ts';
import {
  clearCookie,
  cookieName,
  cookieNamesStartingWith,
  readCookie,
  writeCookie,
  type CookieAttributes,
} from '../sessions/cookie.ts';
import type { MarkerSubject, SessionStore } from '../sessions/store/store.ts';

/** A login under way in one tab of a browser. */
export type PendingLogin = LoginAttempt & {
  /** Where the app continues after the login. */
  readonly returnTo: string;
  readonly startedAtMs: number;
  /** The key of the session that the browser had when it began, or got since: it ends when the login succeeds. */
  readonly replaces?: string | undefined;
};

/** A login under way in another tab; where it leads is not looked up. */
export type OtherLogin = Omit<PendingLogin, 'returnTo'> & { readonly returnTo?: string | undefined };

/** Binds each login attempt to the browser that began it, by a sealed cookie of its own. */
export type LoginCookies = {
  /** Gives the Set-Cookie values that keep an attempt: its own, and those that drop the oldest beyond the bound. */
  keep(login: PendingLogin, cookieHeader: string | undefined): Promise<string[]>;
  /** Finds the attempt that a callback's `state` belongs to, or undefined. */
  find(state: string, cookieHeader: string | undefined): Promise<PendingLogin | undefined>;
  /** Finds the other attempts that this browser has under way. */
  findOthers(state: string, cookieHeader: string | undefined): Promise<OtherLogin[]>;
  /** Gives the Set-Cookie value that keeps a changed attempt, for as long as it has left. */
  amend(login: OtherLogin): Promise<string>;
  /** Gives the Set-Cookie values that drop the attempt of a `state`. */
  drop(state: string, cookieHeader: string | undefined): string[];
};

/** How long a person may take at the provider, in seconds. */
const LIFETIME_SECONDS = 600;
/** How many attempts a browser may have under way, and how long their cookies may be together, in characters. */
const MAX_ATTEMPTS = 5;
const MAX_TOTAL_LENGTH = 4_000;
/** A longer `returnTo` is kept in the store, so that five attempts fit: a proxy in front may take 8 kB of cookies in all. */
const LONGEST_IN_COOKIE = 64;

const pendingLogin = z.object({
  issuer: z.string(),
  state: z.string(),
  nonce: z.string(),
  codeVerifier: z.string(),
  returnTo: z.string().optional(),
  startedAtMs: z.number(),
  replaces: z.string().optional(),
});

/** What the cookie of an attempt holds: without `returnTo`, that is in the store. */
type SealedLogin = z.infer<typeof pendingLogin>;

/**
 * One cookie an attempt, named by its start and a hash of its `state`, so that logins in several tabs do not disturb each
 * other. `SameSite=Lax`, since the browser comes back by a navigation from the provider's site.
 */
export function createLoginCookies(deps: {
  seals: SealedCookies;
  store: Pick<SessionStore, 'putMarker' | 'getMarker'>;
  /** Used when the store no longer has the `returnTo` of an attempt. */
  defaultReturnTo: string;
  secure: boolean;
  clock: () => number;
}): LoginCookies {
  const { seals, store, defaultReturnTo, secure, clock } = deps;
  const prefix = `${cookieName('coatcheck-login', secure)}-`;
  const attributes: CookieAttributes = { secure, sameSite: 'lax' };
  const mark = (state: string) => hashIdentifier('login', state).slice(0, 16);
  const namesFor = (state: string, header: string | undefined) =>
    cookieNamesStartingWith(header, prefix).filter((name) => name.endsWith(`.${mark(state)}`));

  const markerOf = (state: string): MarkerSubject => ['login-return-to', state];
  /** Moves a long `returnTo` to the store. While the store is away it stays, and other attempts may have to go for it. */
  const shorten = async ({ returnTo, ...login }: PendingLogin): Promise<SealedLogin> => {
    if (returnTo.length <= LONGEST_IN_COOKIE) return { ...login, returnTo };
    const sealed = await seals.seal({ returnTo }, LIFETIME_SECONDS);
    return store.putMarker(markerOf(login.state), sealed, LIFETIME_SECONDS * 1000).then(
      () => login,
      () => ({ ...login, returnTo }),
    );
  };
  const returnToOf = async ({ state, returnTo }: SealedLogin): Promise<string> => {
    if (returnTo !== undefined) return returnTo;
    const sealed = await store.getMarker(markerOf(state)).catch(() => undefined);
    const kept = sealed === undefined ? undefined : (await seals.unseal(sealed))?.['returnTo'];
    return typeof kept === 'string' ? kept : defaultReturnTo;
  };

  const open = async (name: string, header: string | undefined): Promise<SealedLogin | undefined> => {
    const cookie = readCookie(header, name);
    if (cookie.kind !== 'value') return undefined;
    const login = pendingLogin.safeParse(await seals.unseal(cookie.value)).data;
    const isCurrent = login !== undefined && clock() - login.startedAtMs < LIFETIME_SECONDS * 1000;
    return isCurrent ? login : undefined;
  };
  const write = async (login: SealedLogin): Promise<string> => {
    const started = login.startedAtMs.toString(36).padStart(9, '0');
    const maxAge = LIFETIME_SECONDS - Math.floor((clock() - login.startedAtMs) / 1000);
    const seal = await seals.seal({ ...login }, maxAge);
    return writeCookie(`${prefix}${started}.${mark(login.state)}`, seal, { ...attributes, maxAge });
  };

  return {
    async keep(login, header) {
      const line = await write(await shorten(login));
      let attempts = 1;
      let totalLength = pairLength(line);
      // The newest first: what does not fit beside them goes.
      const surplus = cookieNamesStartingWith(header, prefix)
        .sort()
        .reverse()
        .filter((name) => {
          const cookie = readCookie(header, name);
          totalLength += name.length + (cookie.kind === 'value' ? cookie.value.length : 0) + '=; '.length;
          attempts += 1;
          return attempts > MAX_ATTEMPTS || totalLength > MAX_TOTAL_LENGTH;
        });
      return [line, ...surplus.map((name) => clearCookie(name, attributes))];
    },

    async find(state, header) {
      for (const name of namesFor(state, header)) {
        const login = await open(name, header);
        // SECURITY: the name is only where to look; what counts is the state under the seal.
        if (login?.state === state) return { ...login, returnTo: await returnToOf(login) };
      }
      return undefined;
    },

    async findOthers(state, header) {
      // No more than there can be: a browser may be made to hold cookies of this name that are not ours.
      const names = cookieNamesStartingWith(header, prefix).slice(0, MAX_ATTEMPTS);
      const logins = await Promise.all(names.map((name) => open(name, header)));
      return logins.flatMap((login) => (login === undefined || login.state === state ? [] : [login]));
    },

    amend: write,
    drop: (state, header) => namesFor(state, header).map((name) => clearCookie(name, attributes)),
  };
}

/** The length of the `name=value; ` that a Set-Cookie value makes a browser send. */
function pairLength(setCookie: string): number {
  return setCookie.indexOf(';') + '; '.length;
}
