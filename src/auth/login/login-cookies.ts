import { hashIdentifier, randomIdentifier } from '../../crypto/identifier.ts';
import type { Envelopes } from '../../crypto/envelope.ts';
import type { SealedCookies } from '../../crypto/sealed-cookie.ts';
import { clearCookie, cookieName, writeCookie, type CookieAttributes } from '../../sessions/cookie.ts';
import type { MarkerSubject, SessionStore } from '../../sessions/store/store.ts';
import { LOGIN_LIFETIME_MS } from '../../timing.ts';
import type { ReturnTo } from '../return-to.ts';
import { createAttemptSlots, type AttemptCookie } from './attempt-slots.ts';
import { createStoredLogins, isCookieSeal, readPendingLogin, type PendingLogin } from './pending-login.ts';

/** A pending login, and the cookie that names or holds it. */
export type FoundLogin = { readonly login: PendingLogin; readonly cookie: AttemptCookie };

/** Binds each login attempt to the browser that started it, by a cookie per attempt. */
export type LoginCookies = {
  /** Returns the Set-Cookie values that bind an attempt, and those that clear surplus cookies. */
  set(login: PendingLogin, cookieHeader: string | undefined): Promise<string[]>;
  /** Returns the attempt with a callback's `state`, or undefined. Throws if the browser has one and the store is down. */
  find(state: string, cookieHeader: string | undefined): Promise<FoundLogin | undefined>;
  /** Where the attempt with a `state` began, as its cookie says; undefined if that was too long. */
  returnToOf(state: string, cookieHeader: string | undefined): string | undefined;
  /** Returns this browser's other pending attempts, without those that cannot be read. */
  findOthers(state: string, cookieHeader: string | undefined): Promise<FoundLogin[]>;
  /** Ends an attempt. False if it has ended: of several callbacks at once, one takes it. Throws if the store is down. */
  take(found: FoundLogin): Promise<boolean>;
  /** Changes which session a pending attempt replaces; returns the Set-Cookie values that this needs. */
  update(other: FoundLogin, replaces: string): Promise<string[]>;
  /** Returns the Set-Cookie values that clear the cookie of the attempt with a `state`, and surplus ones. */
  clear(state: string, cookieHeader: string | undefined): string[];
};

/** How long an attempt lasts, in seconds. */
const LIFETIME_SECONDS = LOGIN_LIFETIME_MS / 1000;
/** 192 random bits. */
const ID_LENGTH = 32;
/** The longest seal in a cookie, and the longest `returnTo` in it, in characters. */
const MAX_IN_COOKIE = { seal: 950, returnTo: 64 };
/** The most characters that clear cookies in one response, whose head a proxy in front may limit to 4 kB; later ones clear more. */
const MAX_CLEARING_LENGTH = 1_500;

const stateHashOf = (state: string) => hashIdentifier('login', state).slice(0, 8);
const markerOf = (id: string): MarkerSubject => ['login', id];
/** Marks an attempt that only its cookie had. */
const takenMarker = (state: string): MarkerSubject => ['login_taken', state];

/**
 * The store has the attempt, sealed, and the cookie only its random identifier, so that the cookies of many tabs stay short.
 * While the store is down, one cookie holds a sealed attempt. `SameSite=Lax`, because the callback is a cross-site navigation
 * from the provider.
 */
export function createLoginCookies(deps: {
  seals: SealedCookies;
  envelopes: Pick<Envelopes, 'seal' | 'open'>;
  store: Pick<SessionStore, 'putMarker' | 'getMarker' | 'takeMarker'>;
  returnTo: ReturnTo;
  /** Replaces a `returnTo` that has no room while the store is down. */
  defaultReturnTo: string;
  secure: boolean;
  clock: () => number;
}): LoginCookies {
  const { seals, store, returnTo, defaultReturnTo, secure, clock } = deps;
  const slots = createAttemptSlots(`${cookieName('coatcheck-login', secure)}-`);
  const attributes: CookieAttributes = { secure, sameSite: 'lax' };
  const storedLogins = createStoredLogins(deps);

  const remainingMs = ({ startedAtMs }: PendingLogin) => LOGIN_LIFETIME_MS - (clock() - startedAtMs);
  const put = async (id: string, login: PendingLogin, condition?: 'if_present') => {
    await store.putMarker(markerOf(id), storedLogins.seal(id, login), remainingMs(login), condition);
  };
  const write = (name: string, login: PendingLogin, content: string) =>
    writeCookie(name, slots.write({ ...login, stateHash: stateHashOf(login.state) }, content), {
      ...attributes,
      maxAge: Math.ceil(remainingMs(login) / 1000),
    });
  /** Undefined if it would be too long. */
  const writeSealed = async (login: PendingLogin): Promise<string | undefined> => {
    const { returnTo: longReturnTo, ...rest } = login;
    const short = longReturnTo.length > MAX_IN_COOKIE.returnTo ? rest : login;
    const seal = await seals.seal({ ...short }, LIFETIME_SECONDS);
    return seal.length > MAX_IN_COOKIE.seal ? undefined : write(slots.long, login, seal);
  };

  const loadStored = async (id: string): Promise<unknown> => {
    const text = await store.getMarker(markerOf(id));
    return text === undefined ? undefined : storedLogins.open(id, text);
  };
  const load = async ({ content }: AttemptCookie): Promise<PendingLogin | undefined> => {
    const login = readPendingLogin(
      isCookieSeal(content) ? await seals.unseal(content) : await loadStored(content),
    );
    if (login === undefined) return undefined;
    const pending = { ...login, returnTo: login.returnTo ?? defaultReturnTo };
    return remainingMs(pending) > 0 ? pending : undefined;
  };
  const readOwn = (state: string, header: string | undefined) => {
    const { newestFirst, surplus } = slots.read(header);
    const isOwn = ({ stateHash }: AttemptCookie) => stateHash === stateHashOf(state);
    return {
      own: newestFirst.filter(isOwn),
      others: newestFirst.filter((cookie) => cookie.content !== '' && !isOwn(cookie)),
      surplus,
    };
  };
  const clearAll = (names: readonly string[]) => {
    let remaining = MAX_CLEARING_LENGTH;
    return names.flatMap((name) => {
      const line = clearCookie(name, attributes);
      if (line.length > remaining) return [];
      remaining -= line.length;
      return [line];
    });
  };

  return {
    async set(login, header) {
      const id = randomIdentifier().slice(0, ID_LENGTH);
      const setCookie = await put(id, login).then(
        () => write(slots.take(header), login, id),
        async (error: Error) => {
          const sealed = await writeSealed(login);
          if (sealed === undefined) throw error;
          return sealed;
        },
      );
      return [setCookie, ...clearAll(slots.read(header).surplus)];
    },

    async find(state, header) {
      for (const cookie of readOwn(state, header).own) {
        const login = await load(cookie);
        // SECURITY: the hash in the cookie only selects a cookie; the sealed `state` decides.
        if (login?.state === state) return { login, cookie };
      }
      return undefined;
    },

    // SECURITY: the cookie is not sealed.
    returnToOf: (state, header) => returnTo(readOwn(state, header).own[0]?.returnTo),

    async findOthers(state, header) {
      const { others } = readOwn(state, header);
      const found = others.map(async (cookie) => ({ cookie, login: await load(cookie) }));
      return (await Promise.allSettled(found)).flatMap((result) => {
        if (result.status === 'rejected') return [];
        const { login, cookie } = result.value;
        return login ? [{ login, cookie }] : [];
      });
    },

    async take({ login, cookie }) {
      if (!isCookieSeal(cookie.content))
        return (await store.takeMarker(markerOf(cookie.content))) !== undefined;
      return store.putMarker(takenMarker(login.state), '', remainingMs(login), 'if_absent');
    },

    async update({ login, cookie }, replaces) {
      const changed = { ...login, replaces };
      if (isCookieSeal(cookie.content))
        return [await writeSealed(changed)].filter((line) => line !== undefined);
      // A sign-in that has succeeded must not fail for another tab.
      await put(cookie.content, changed, 'if_present').catch(() => undefined);
      return [];
    },

    clear(state, header) {
      const { own, surplus } = readOwn(state, header);
      return clearAll([...own.map(({ name }) => name), ...surplus]);
    },
  };
}
