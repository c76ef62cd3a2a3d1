import { z } from 'zod';
import type { SealedCookies } from '../crypto/sealed-cookie.ts';
import {
  clearCookie,
  cookieName,
  readCookie,
  writeCookie,
  type CookieAttributes,
} from '../sessions/cookie.ts';
import type { Attempt } from './attempt-limit.ts';

/** A pending sign-in on another device, started by this browser. */
export type PendingApproval = {
  /** The provider's identifier of the sign-in. */
  readonly id: string;
  /** Absent in a cookie of an earlier version. */
  readonly startedAtMs?: number | undefined;
  readonly expiresAtMs: number;
  /** Until then the provider may be asked whether the user approved in time. */
  readonly pollableUntilMs: number;
  /** The key of the session that the browser had at the start; it ends when the sign-in succeeds. */
  readonly replaces?: string | undefined;
  /** How the sign-in counts until it succeeds. */
  readonly attempt?: Attempt | undefined;
  /** The binding message that the gateway made, for the page to show. */
  readonly bindingMessage?: string | undefined;
};

/** Binds a sign-in on another device to the browser that started it, by a sealed cookie. A new sign-in replaces it. */
export type DecoupledCookie = {
  /** Returns the Set-Cookie value that stores it. */
  set(pending: PendingApproval): Promise<string>;
  /** Throws `rate_limited` once `clientAddress` has sent too many forged cookies. */
  find(cookieHeader: string | undefined, clientAddress: string): Promise<PendingApproval | undefined>;
  /** Returns the Set-Cookie value that clears the cookie. */
  clear(): string;
};

const pendingApproval = z.object({
  id: z.string(),
  startedAtMs: z.number().optional(),
  expiresAtMs: z.number(),
  pollableUntilMs: z.number(),
  replaces: z.string().optional(),
  attempt: z
    .object({
      user: z.string(),
      network: z.string(),
      isInTotal: z.boolean(),
      isReserved: z.boolean().optional(),
    })
    .optional(),
  bindingMessage: z.string().optional(),
});

/** `SameSite=Strict`, because only the app's own page polls. */
export function createDecoupledCookie(deps: {
  seals: SealedCookies;
  secure: boolean;
  clock: () => number;
}): DecoupledCookie {
  const { seals, secure, clock } = deps;
  const name = cookieName('coatcheck-decoupled', secure);
  const attributes: CookieAttributes = { secure, sameSite: 'strict' };

  return {
    async set(pending) {
      const maxAge = Math.max(1, Math.ceil((pending.pollableUntilMs - clock()) / 1000));
      return writeCookie(name, await seals.seal({ ...pending }, 0), { ...attributes, maxAge });
    },
    async find(header, clientAddress) {
      const cookie = readCookie(header, name);
      return cookie.kind === 'value'
        ? pendingApproval.safeParse(await seals.unseal(cookie.value, clientAddress)).data
        : undefined;
    },
    clear: () => clearCookie(name, attributes),
  };
}
