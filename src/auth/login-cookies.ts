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
import { stepUpRequirement } from '../sessions/step-up-requirement.ts';
import type { MarkerSubject, SessionStore } from '../sessions/store/store.ts';
import { LOGIN_LIFETIME_MS } from '../timing.ts';

/** A pending login in one tab of a browser. */
export type PendingLogin = LoginAttempt & {
  /** Where the browser goes after the login. */
  readonly returnTo: string;
  readonly startedAtMs: number;
  /** The key of the session that the browser had at the start, or got since; it ends when the login succeeds. */
  readonly replaces?: string | undefined;
};

/** A pending login in another tab. What the store has of it is not loaded. */
export type OtherLogin = SealedLogin;

/** Binds each login attempt to the browser that started it, by a sealed cookie per attempt. */
export type LoginCookies = {
  /** Returns the Set-Cookie values that store an attempt and clear the oldest ones beyond the limit. */
  set(login: PendingLogin, cookieHeader: string | undefined): Promise<string[]>;
  /** Returns the attempt with a callback's `state`, or undefined. */
  find(state: string, cookieHeader: string | undefined): Promise<PendingLogin | undefined>;
  /** Returns this browser's other pending attempts. */
  findOthers(state: string, cookieHeader: string | undefined): Promise<OtherLogin[]>;
  /** Returns the Set-Cookie value that stores a changed attempt until its original expiry. */
  update(login: OtherLogin): Promise<string>;
  /** Returns the Set-Cookie values that clear the attempt with a `state`, and the oldest ones beyond the limit. */
  clear(state: string, cookieHeader: string | undefined): string[];
};

/** How long an attempt lasts, in seconds. */
const LIFETIME_SECONDS = LOGIN_LIFETIME_MS / 1000;
/** Limits per browser: the number of pending attempts, and the total length of their cookies in characters. */
const MAX_ATTEMPTS = 5;
const MAX_TOTAL_LENGTH = 4_000;
/**
 * A longer `returnTo`, or that of an attempt which is longer as JSON, goes to the store, so that the cookies of five attempts fit:
 * a proxy in front may limit all headers to 8 kB.
 */
const MAX_IN_COOKIE = { returnTo: 64, attempt: 380 };

const pendingLogin = z.object({
  issuer: z.string(),
  state: z.string(),
  nonce: z.string(),
  codeVerifier: z.string(),
  dpopKey: z.string().optional(),
  maxAge: z.number().optional(),
  stepUp: z.union([stepUpRequirement, z.literal('stored')]).optional(),
  returnTo: z.string().optional(),
  startedAtMs: z.number(),
  replaces: z.string().optional(),
});

/** The part of an attempt that the store may have. */
const storedPart = z.object({
  state: z.string(),
  returnTo: z.string().optional(),
  stepUp: stepUpRequirement.optional(),
});

/** The content of an attempt's cookie. Without `returnTo`, the store has it; it never stores `stepUp` alone. */
type SealedLogin = z.infer<typeof pendingLogin>;

/**
 * One cookie per attempt, named after its start time and a hash of its `state`, so that logins in several tabs do not
 * interfere. `SameSite=Lax`, because the callback is a cross-site navigation from the provider.
 */
export function createLoginCookies(deps: {
  seals: SealedCookies;
  store: Pick<SessionStore, 'putMarker' | 'getMarker'>;
  /** The fallback when the store no longer has an attempt's `returnTo`. */
  defaultReturnTo: string;
  secure: boolean;
  clock: () => number;
}): LoginCookies {
  const { seals, store, defaultReturnTo, secure, clock } = deps;
  const prefix = `${cookieName('coatcheck-login', secure)}-`;
  const attributes: CookieAttributes = { secure, sameSite: 'lax' };
  const stateHash = (state: string) => hashIdentifier('login', state).slice(0, 16);
  const cookieNamesOf = (state: string, header: string | undefined) =>
    cookieNamesStartingWith(header, prefix).filter((name) => name.endsWith(`.${stateHash(state)}`));

  const markerOf = (state: string): MarkerSubject => ['login-return-to', state];
  /** Moves what may be long to the store. During an outage it stays in the cookie and may push out older attempts. */
  const shorten = async (whole: PendingLogin): Promise<SealedLogin> => {
    const { returnTo, stepUp, ...login } = whole;
    const isShort =
      returnTo.length <= MAX_IN_COOKIE.returnTo && JSON.stringify(whole).length <= MAX_IN_COOKIE.attempt;
    if (isShort && stepUp === undefined) return whole;
    const sealed = await seals.seal({ state: login.state, returnTo, stepUp }, LIFETIME_SECONDS);
    return store.putMarker(markerOf(login.state), sealed, LOGIN_LIFETIME_MS).then(
      () => (stepUp === undefined ? login : { ...login, stepUp: 'stored' }),
      () => whole,
    );
  };
  const lengthen = async ({ returnTo, stepUp, ...login }: SealedLogin): Promise<PendingLogin | undefined> => {
    const isStored = returnTo === undefined || stepUp === 'stored';
    const readMarker = () => store.getMarker(markerOf(login.state));
    // The default replaces a `returnTo` during an outage of the store; nothing replaces what a step-up requires.
    const read = stepUp === 'stored' ? readMarker : () => readMarker().catch(() => undefined);
    const sealed = isStored ? await read() : undefined;
    const opened = storedPart.safeParse(sealed === undefined ? {} : await seals.unseal(sealed)).data;
    // SECURITY: whoever can write to the store could put the seal of another attempt here.
    const stored = opened?.state === login.state ? opened : undefined;
    const required = stepUp === 'stored' ? stored?.stepUp : stepUp;
    // SECURITY: without its requirement, a step-up would pass for any sign-in.
    if (stepUp === 'stored' && required === undefined) return undefined;
    return { ...login, returnTo: returnTo ?? stored?.returnTo ?? defaultReturnTo, stepUp: required };
  };

  /** The attempts beyond the limits: the newest count first, after what is `taken`. */
  const surplusOf = (
    names: readonly string[],
    header: string | undefined,
    taken: { attempts: number; totalLength: number },
  ): string[] => {
    let { attempts, totalLength } = taken;
    return names
      .toSorted()
      .toReversed()
      .filter((name) => {
        const cookie = readCookie(header, name);
        totalLength += name.length + (cookie.kind === 'value' ? cookie.value.length : 0) + '=; '.length;
        attempts += 1;
        return attempts > MAX_ATTEMPTS || totalLength > MAX_TOTAL_LENGTH;
      });
  };
  /** The same beside the attempt of a `state`: tabs that begin at the same moment do not see each other's cookies. */
  const surplusBeside = (state: string, header: string | undefined): string[] => {
    const own = cookieNamesOf(state, header);
    const others = cookieNamesStartingWith(header, prefix).filter((name) => !own.includes(name));
    return surplusOf(others, header, { attempts: own.length, totalLength: 0 });
  };

  const unsealLogin = async (name: string, header: string | undefined): Promise<SealedLogin | undefined> => {
    const cookie = readCookie(header, name);
    if (cookie.kind !== 'value') return undefined;
    const login = pendingLogin.safeParse(await seals.unseal(cookie.value)).data;
    const isCurrent = login !== undefined && clock() - login.startedAtMs < LOGIN_LIFETIME_MS;
    return isCurrent ? login : undefined;
  };
  const sealLogin = async (login: SealedLogin): Promise<string> => {
    const started = login.startedAtMs.toString(36).padStart(9, '0');
    const maxAge = LIFETIME_SECONDS - Math.floor((clock() - login.startedAtMs) / 1000);
    const seal = await seals.seal({ ...login }, maxAge);
    return writeCookie(`${prefix}${started}.${stateHash(login.state)}`, seal, { ...attributes, maxAge });
  };

  return {
    async set(login, header) {
      const setCookie = await sealLogin(await shorten(login));
      const names = cookieNamesStartingWith(header, prefix);
      const surplus = surplusOf(names, header, { attempts: 1, totalLength: pairLength(setCookie) });
      return [setCookie, ...surplus.map((name) => clearCookie(name, attributes))];
    },

    async find(state, header) {
      for (const name of cookieNamesOf(state, header)) {
        const login = await unsealLogin(name, header);
        // SECURITY: the cookie name only selects a cookie; the sealed `state` decides.
        if (login?.state === state) return lengthen(login);
      }
      return undefined;
    },

    async findOthers(state, header) {
      const all = cookieNamesStartingWith(header, prefix);
      // Those that `clear` keeps. It bounds the work: a sibling host may have set more cookies with this prefix.
      const surplus = new Set(surplusBeside(state, header));
      const names = all.filter((name) => !surplus.has(name));
      const logins = await Promise.all(names.map((name) => unsealLogin(name, header)));
      return logins.flatMap((login) => (login === undefined || login.state === state ? [] : [login]));
    },

    update: sealLogin,
    clear: (state, header) =>
      [...cookieNamesOf(state, header), ...surplusBeside(state, header)].map((name) =>
        clearCookie(name, attributes),
      ),
  };
}

/** The length of the `name=value; ` that a Set-Cookie value makes a browser send. */
function pairLength(setCookie: string): number {
  return setCookie.indexOf(';') + '; '.length;
}
