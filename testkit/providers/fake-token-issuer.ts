import { createSecrets } from '../fake-provider/secrets.ts';
import type { LedgerEntry } from '../fake-provider/tokens/families.ts';

/** An issued pair of tokens. */
export type TokenPair = {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly subject: string;
  /** The endpoint of the sign-in; a refresh token is valid only there. */
  readonly endpoint: string;
};

/** Creates a secret for a subject: an access token, a refresh token or an authorization code. */
export type Mint = (kind: 'access' | 'refresh' | 'code', subject: string) => string;

/** Issues access tokens and single-use refresh tokens. */
export type FakeTokenIssuer = {
  /** Starts a token family. */
  open(subject: string, endpoint?: string): TokenPair;
  /** Spends a refresh token and returns the next pair; undefined when the token is not valid. */
  spend(refreshToken: string, endpoint?: string): TokenPair | undefined;
  subjectOf(accessToken: string): string | undefined;
  revokeAccessToken(accessToken: string): void;
  /** Ends the family of a refresh token. */
  revokeRefreshToken(refreshToken: string): void;
  tokenLedger(): LedgerEntry[];
};

/** Creates secrets that the secret search of the tests recognizes. */
export function createCanaryMint(issuer: string): Mint {
  const secrets = createSecrets(issuer);
  const prefixes = { access: 'at', refresh: 'rt', code: 'code' };
  return (kind) => secrets.mint(prefixes[kind]);
}

/**
 * Creates an issuer whose access tokens live `lifeSeconds` by `clock`. `onReuse` decides whether the reuse of a refresh
 * token is only rejected, or ends the whole family.
 */
export function createFakeTokenIssuer(settings: {
  name: string;
  clock: () => number;
  lifeSeconds: () => number;
  onReuse: 'refuses' | 'ends the family';
  mint?: Mint | undefined;
}): FakeTokenIssuer {
  const { clock, lifeSeconds, onReuse, mint = createCanaryMint(settings.name) } = settings;
  const access = new Map<string, { subject: string; family: string; endsAtMs: number }>();
  const tokenLedger = new Map<string, LedgerEntry & { subject: string; endpoint: string }>();
  let families = 0;

  const endFamily = (family: string) => {
    for (const entry of tokenLedger.values()) if (entry.family === family) entry.familyAlive = false;
    for (const [token, of] of access) if (of.family === family) access.delete(token);
  };
  const issue = (subject: string, endpoint: string, family: string, generation: number): TokenPair => {
    const pair = {
      accessToken: mint('access', subject),
      refreshToken: mint('refresh', subject),
      subject,
      endpoint,
    };
    access.set(pair.accessToken, { subject, family, endsAtMs: clock() + lifeSeconds() * 1000 });
    const entry = {
      token: pair.refreshToken,
      generation,
      presented: 0,
      spent: 0,
      family,
      familyAlive: true,
      reuses: 0,
    };
    tokenLedger.set(pair.refreshToken, { ...entry, subject, endpoint });
    return pair;
  };

  return {
    open(subject, endpoint = '') {
      families += 1;
      return issue(subject, endpoint, `family-${families}`, 1);
    },
    spend(refreshToken, endpoint = '') {
      const entry = tokenLedger.get(refreshToken);
      if (entry === undefined || entry.endpoint !== endpoint) return undefined;
      entry.presented += 1;
      if (entry.spent > 0) {
        entry.reuses += 1;
        if (onReuse === 'ends the family') endFamily(entry.family);
      }
      if (entry.spent > 0 || !entry.familyAlive) return undefined;
      entry.spent += 1;
      return issue(entry.subject, endpoint, entry.family, entry.generation + 1);
    },
    subjectOf(accessToken) {
      const found = access.get(accessToken);
      return found === undefined || found.endsAtMs <= clock() ? undefined : found.subject;
    },
    revokeAccessToken: (accessToken) => void access.delete(accessToken),
    revokeRefreshToken(refreshToken) {
      const entry = tokenLedger.get(refreshToken);
      if (entry !== undefined) endFamily(entry.family);
    },
    tokenLedger: () => [...tokenLedger.values()],
  };
}
