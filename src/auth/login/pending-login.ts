import { z } from 'zod';
import { UnknownKeyError, type Envelopes } from '../../crypto/envelope.ts';
import type { SealedCookies } from '../../crypto/sealed-cookie.ts';
import { readDpopKey } from '../../dpop/key.ts';
import type { LoginAttempt } from '../../provider/provider.ts';
import { stepUpRequirement } from '../../sessions/step-up-requirement.ts';

/** A pending login in one tab of a browser. */
export type PendingLogin = LoginAttempt & {
  /** Where the browser goes after the login. */
  readonly returnTo: string;
  readonly startedAtMs: number;
  /** The key of the session that the browser had at the start, or got since; it ends when the login succeeds. */
  readonly replaces?: string | undefined;
};

const pendingLogin = z.object({
  /** SECURITY: the version before sealed it with a login in the store: whoever can read that cannot use it as a cookie. */
  id: z.never().optional(),
  issuer: z.string(),
  state: z.string(),
  nonce: z.string(),
  codeVerifier: z.string(),
  dpopKey: z.string().transform(readDpopKey).optional(),
  maxAge: z.number().optional(),
  stepUp: stepUpRequirement.optional(),
  returnTo: z.string().optional(),
  startedAtMs: z.number(),
  replaces: z.string().optional(),
});

/** A login as it was sealed; undefined for any other value. `returnTo` is missing if it had no room. */
export function readPendingLogin(value: unknown) {
  return pendingLogin.safeParse(value).data;
}

/** Seals the pending logins that the store has, each under the identifier in its cookie. */
export type StoredLogins = {
  seal(id: string, login: PendingLogin): string;
  /** The content of a seal; undefined if it is not that of this identifier, or its secret is unknown. */
  open(id: string, text: string): Promise<unknown>;
};

/**
 * Envelopes cost half of the cookie seals, which the version before used here.
 *
 * SECURITY: the identifier is the context of the envelope: whoever can write to the store could put there the seal of another login.
 */
export function createStoredLogins(deps: {
  envelopes: Pick<Envelopes, 'seal' | 'open'>;
  seals: SealedCookies;
}): StoredLogins {
  const { envelopes, seals } = deps;
  const contextOf = (id: string) => `pending login ${id}`;
  return {
    seal: (id, login) => envelopes.seal(JSON.stringify(login), contextOf(id)).toString('base64url'),
    async open(id, text) {
      if (isCookieSeal(text)) {
        const { id: sealedId, ...login } = (await seals.unseal(text)) ?? {};
        return sealedId === id ? login : undefined;
      }
      try {
        const opened = envelopes.open(Buffer.from(text, 'base64url'), contextOf(id));
        return opened === undefined ? undefined : JSON.parse(opened);
      } catch (error) {
        if (error instanceof UnknownKeyError) return undefined;
        throw error;
      }
    },
  };
}

/** True for the seal of a cookie, in contrast to an identifier and to an envelope. */
export function isCookieSeal(text: string): boolean {
  return text.startsWith('Fe26.2*');
}
