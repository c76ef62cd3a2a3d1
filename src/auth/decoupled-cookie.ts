import { z } from 'zod';
import type { SealedCookies } from '../crypto/sealed-cookie.ts';
import {
  clearCookie,
  cookieName,
  readCookie,
  writeCookie,
  type CookieAttributes,
} from '../sessions/cookie.ts';

/** A sign-in on another device that this browser waits for. */
export type PendingApproval = {
  /** The provider's name for it. */
  readonly id: string;
  readonly expiresAtMs: number;
  /** The key of the session that the browser had when it began: it ends when the sign-in succeeds. */
  readonly replaces?: string | undefined;
};

/** Binds a sign-in on another device to the browser that began it, by a sealed cookie. A new one takes its place. */
export type DecoupledCookie = {
  /** Gives the Set-Cookie value that keeps it. */
  keep(pending: PendingApproval): Promise<string>;
  find(cookieHeader: string | undefined): Promise<PendingApproval | undefined>;
  /** Gives the Set-Cookie value that drops it. */
  drop(): string;
};

const pendingApproval = z.object({
  id: z.string(),
  expiresAtMs: z.number(),
  replaces: z.string().optional(),
});

/** `SameSite=Strict`: only the page itself asks how it goes. */
export function createDecoupledCookie(deps: {
  seals: SealedCookies;
  secure: boolean;
  clock: () => number;
}): DecoupledCookie {
  const { seals, secure, clock } = deps;
  const name = cookieName('coatcheck-decoupled', secure);
  const attributes: CookieAttributes = { secure, sameSite: 'strict' };

  return {
    async keep(pending) {
      const maxAge = Math.max(1, Math.ceil((pending.expiresAtMs - clock()) / 1000));
      return writeCookie(name, await seals.seal({ ...pending }, 0), { ...attributes, maxAge });
    },
    async find(header) {
      const cookie = readCookie(header, name);
      return cookie.kind === 'value'
        ? pendingApproval.safeParse(await seals.unseal(cookie.value)).data
        : undefined;
    },
    drop: () => clearCookie(name, attributes),
  };
}
