import type { Family } from './families.ts';
import type { Grant } from './grant.ts';
import { ProtocolError } from '../protocol-error.ts';

/** The grant behind a code, and the request that the code is bound to. */
export type Authorization = { grant: Grant; redirectUri: string; codeChallenge: string };

/** An issued code, with the family of the tokens it was redeemed for. */
export type Code = {
  readonly authorization: Authorization;
  readonly issuedAtMs: number;
  spent: boolean;
  family: Family | undefined;
};

/** The issued codes, each valid once. */
export type Codes = {
  add(code: string, authorization: Authorization): void;
  /**
   * Returns the entry of a code and spends the code, whatever happens next.
   *
   * @throws ProtocolError `invalid_grant` for a code that is unknown, too old or spent; a spent one ends the
   * family of its tokens (RFC 6749, section 4.1.2).
   */
  redeem(code: string): Code;
};

const LIFETIME_MS = 60_000;

/** Opens an empty list of codes. */
export function createCodes(nowMs: () => number, endFamily: (family: Family) => void): Codes {
  const issued = new Map<string, Code>();

  return {
    add: (code, authorization) => {
      issued.set(code, { authorization, issuedAtMs: nowMs(), spent: false, family: undefined });
    },

    redeem: (code) => {
      const entry = issued.get(code);
      if (entry === undefined) throw new ProtocolError('invalid_grant', 'the code is unknown');
      if (entry.spent) {
        if (entry.family) endFamily(entry.family);
        throw new ProtocolError('invalid_grant', 'the code was used before');
      }
      entry.spent = true;
      if (nowMs() - entry.issuedAtMs > LIFETIME_MS) {
        throw new ProtocolError('invalid_grant', 'the code is too old');
      }
      return entry;
    },
  };
}
