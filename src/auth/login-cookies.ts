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

/** A login under way in one tab of a browser. */
export type PendingLogin = LoginAttempt & {
  readonly returnTo: string;
  readonly startedAtMs: number;
  /** The key of the session that the browser had when it began, or got since: it ends when the login succeeds. */
  readonly replaces?: string | undefined;
};

/** Binds each login attempt to the browser that began it, by a sealed cookie of its own. */
export type LoginCookies = {
  /** Gives the Set-Cookie values that keep an attempt: its own, and those that drop the oldest beyond the bound. */
  keep(login: PendingLogin, cookieHeader: string | undefined): Promise<string[]>;
  /** Finds the attempt that a callback's `state` belongs to, or undefined. */
  find(state: string, cookieHeader: string | undefined): Promise<PendingLogin | undefined>;
  /** Finds the other attempts that this browser has under way. */
  findOthers(state: string, cookieHeader: string | undefined): Promise<PendingLogin[]>;
  /** Gives the Set-Cookie value that keeps what an attempt has become, for as long as it has left. */
  amend(login: PendingLogin): Promise<string>;
  /** Gives the Set-Cookie values that drop the attempt of a `state`. */
  drop(state: string, cookieHeader: string | undefined): string[];
};

/** How long a person may take at the provider, in seconds. */
const LIFETIME_SECONDS = 600;
/** How many attempts a browser may have under way: more cookies would crowd out others. */
const MAX_ATTEMPTS = 5;

const pendingLogin = z.object({
  issuer: z.string(),
  state: z.string(),
  nonce: z.string(),
  codeVerifier: z.string(),
  returnTo: z.string(),
  startedAtMs: z.number(),
  replaces: z.string().optional(),
});

/**
 * One cookie an attempt, named by its start and a hash of its `state`, so that logins in several tabs do not disturb each
 * other. `SameSite=Lax`, since the browser comes back by a navigation from the provider's site.
 */
export function createLoginCookies(deps: {
  seals: SealedCookies;
  secure: boolean;
  clock: () => number;
}): LoginCookies {
  const { seals, secure, clock } = deps;
  const prefix = `${cookieName('coatcheck-login', secure)}-`;
  const attributes: CookieAttributes = { secure, sameSite: 'lax' };
  const mark = (state: string) => hashIdentifier('login', state).slice(0, 16);
  const namesFor = (state: string, header: string | undefined) =>
    cookieNamesStartingWith(header, prefix).filter((name) => name.endsWith(`.${mark(state)}`));

  const open = async (name: string, header: string | undefined): Promise<PendingLogin | undefined> => {
    const cookie = readCookie(header, name);
    if (cookie.kind !== 'value') return undefined;
    const login = pendingLogin.safeParse(await seals.unseal(cookie.value)).data;
    const isCurrent = login !== undefined && clock() - login.startedAtMs < LIFETIME_SECONDS * 1000;
    return isCurrent ? login : undefined;
  };
  const write = async (login: PendingLogin): Promise<string> => {
    const started = login.startedAtMs.toString(36).padStart(9, '0');
    const maxAge = LIFETIME_SECONDS - Math.floor((clock() - login.startedAtMs) / 1000);
    const seal = await seals.seal({ ...login }, maxAge);
    return writeCookie(`${prefix}${started}.${mark(login.state)}`, seal, { ...attributes, maxAge });
  };

  return {
    async keep(login, header) {
      const surplus = cookieNamesStartingWith(header, prefix)
        .sort()
        .reverse()
        .slice(MAX_ATTEMPTS - 1);
      return [await write(login), ...surplus.map((name) => clearCookie(name, attributes))];
    },

    async find(state, header) {
      for (const name of namesFor(state, header)) {
        const login = await open(name, header);
        // SECURITY: the name is only where to look; what counts is the state under the seal.
        if (login?.state === state) return login;
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
