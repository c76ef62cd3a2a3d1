import type { Grant } from './grant.ts';
import { ProtocolError } from '../protocol-error.ts';
import type { ProviderSettings, Rotation } from '../settings.ts';

/** The record of a refresh token. */
export type RefreshTokenEntry = {
  readonly token: string;
  /** 1 for the token of the sign-in, one more for each rotation. */
  readonly generation: number;
  /** How often an authenticated client sent it. */
  presented: number;
  /** How often it was redeemed. */
  spent: number;
};

/** The record of an access token. */
export type AccessTokenEntry = { readonly token: string; readonly expiresAtMs: number; revoked: boolean };

/** The reason for the end of a family. */
export type FamilyEnd = 'code reused' | 'refresh token reused' | 'revoked' | 'session ended';

/** All tokens of one sign-in. */
export type Family = {
  readonly id: string;
  readonly grant: Grant;
  alive: boolean;
  endedBecause: FamilyEnd | undefined;
  /** How often a spent refresh token of this family was rejected. */
  reuses: number;
  readonly refreshTokens: RefreshTokenEntry[];
  readonly accessTokens: AccessTokenEntry[];
};

/** One entry of the token ledger: a refresh token and its family. */
export type LedgerEntry = RefreshTokenEntry & { family: string; familyAlive: boolean; reuses: number };

/** A refresh token found by its value. */
export type Presented = { family: Family; entry: RefreshTokenEntry };

/** The token families and the rules that end them. */
export type Families = {
  /** In the order of sign-in. */
  readonly all: Family[];
  open(grant: Grant): Family;
  addAccessToken(family: Family, token: string, expiresAtMs: number): void;
  addRefreshToken(family: Family, token: string, generation: number): void;
  /**
   * Returns the entry of a refresh token that is valid now.
   *
   * @throws ProtocolError `invalid_grant` for any other; reuse that the rotation does not allow ends the family.
   */
  present(refreshToken: string): Presented;
  /** Records one use of a refresh token. */
  spend(presented: Presented): void;
  end(family: Family, reason: FamilyEnd): void;
  /** Ends what a token stands for: an access token alone, a refresh token with its family (RFC 7009, section 2.1). */
  revoke(token: string): void;
  /** The family of an access token that is good now: not expired, not revoked, its family alive. */
  ofActive(accessToken: string): Family | undefined;
  tokenLedger(): LedgerEntry[];
};

/** The rotations that spend a refresh token. */
const spending: ReadonlySet<Rotation> = new Set(['strict', 'once', 'grace']);

/** Creates an empty ledger. `settings` is read at each use of a refresh token, `nowMs` is the provider's clock. */
export function createFamilies(
  settings: Pick<ProviderSettings, 'rotate' | 'graceMs' | 'accessTokens'>,
  nowMs: () => number,
): Families {
  const all: Family[] = [];
  const refreshTokens = new Map<string, Presented>();
  const accessTokens = new Map<string, { family: Family; entry: AccessTokenEntry }>();
  /** The latest generation that was spent in a family, and when that first happened. */
  const latestSpent = new Map<Family, { generation: number; atMs: number }>();

  const end = (family: Family, reason: FamilyEnd) => {
    family.alive = false;
    family.endedBecause ??= reason;
  };

  const isForgiven = ({ family, entry }: Presented) => {
    const latest = latestSpent.get(family);
    if (latest === undefined || entry.generation > latest.generation) return true;
    const isLatest = entry.generation === latest.generation;
    return settings.rotate === 'grace' && isLatest && nowMs() - latest.atMs <= settings.graceMs;
  };

  return {
    all,
    end,

    open: (grant) => {
      const family: Family = {
        id: `family-${all.length + 1}`,
        grant,
        alive: true,
        endedBecause: undefined,
        reuses: 0,
        refreshTokens: [],
        accessTokens: [],
      };
      all.push(family);
      return family;
    },

    addAccessToken: (family, token, expiresAtMs) => {
      const entry: AccessTokenEntry = { token, expiresAtMs, revoked: false };
      family.accessTokens.push(entry);
      accessTokens.set(token, { family, entry });
    },

    addRefreshToken: (family, token, generation) => {
      const entry: RefreshTokenEntry = { token, generation, presented: 0, spent: 0 };
      family.refreshTokens.push(entry);
      refreshTokens.set(token, { family, entry });
    },

    present: (refreshToken) => {
      const presented = refreshTokens.get(refreshToken);
      if (presented === undefined) throw new ProtocolError('invalid_grant', 'the refresh token is unknown');
      const { family, entry } = presented;
      entry.presented += 1;
      if (!isForgiven(presented)) {
        family.reuses += 1;
        if (settings.rotate !== 'once') end(family, 'refresh token reused');
        throw new ProtocolError('invalid_grant', 'the refresh token was used before');
      }
      if (!family.alive)
        throw new ProtocolError('invalid_grant', `the grant is over: ${family.endedBecause}`);
      return presented;
    },

    spend: ({ family, entry }) => {
      entry.spent += 1;
      if (!spending.has(settings.rotate)) return;
      const latest = latestSpent.get(family);
      if (latest === undefined || entry.generation > latest.generation) {
        latestSpent.set(family, { generation: entry.generation, atMs: nowMs() });
      }
    },

    revoke: (token) => {
      const refreshToken = refreshTokens.get(token);
      if (refreshToken) end(refreshToken.family, 'revoked');
      const accessToken = accessTokens.get(token);
      if (accessToken) accessToken.entry.revoked = true;
    },

    ofActive: (accessToken) => {
      const found = accessTokens.get(accessToken);
      if (!found || found.entry.revoked || found.entry.expiresAtMs <= nowMs()) return undefined;
      return found.family.alive || settings.accessTokens === 'outlive' ? found.family : undefined;
    },

    tokenLedger: () =>
      all.flatMap(({ id, alive, reuses, refreshTokens: entries }) =>
        entries.map((entry) => ({ ...entry, family: id, familyAlive: alive, reuses })),
      ),
  };
}
