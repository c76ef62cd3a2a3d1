import { createBoundedMap } from '../concurrency/bounded-map.ts';
import type { RouteConfig } from '../config/schema/schema.ts';
import type { SigningKeys } from '../crypto/signing-keys.ts';
import type { IdentitySource } from '../sessions/session.ts';
import { claimAt, currentClaims } from './claims.ts';

/** The settings of a route's identity JWTs. */
export type IdentityTokenConfig = NonNullable<RouteConfig['identity']['jwt']>;

/** Returns the identity JWT of a caller for one route, at least a quarter of its life before its end. */
export type IdentityTokens = (source: IdentitySource) => Promise<string>;

/** How many tokens of a route one process keeps, and their maximum size in bytes. */
const MAX_TOKENS = 10_000;
const MAX_BYTES = 16 * 1024 * 1024;
/** What a token takes besides its claims, in bytes: header, signature and bookkeeping, with the largest keys. */
const OVERHEAD_BYTES = 1_024;

/** The share of its life after which a token is no longer sent. */
const USED_SHARE = 3 / 4;

type Entry = {
  readonly version: number;
  readonly token: Promise<string>;
  readonly usableUntilMs: number;
  readonly bytes: number;
};

/**
 * Signs identity JWTs (RFC 7519) with the first of `keys`, and uses each for most of its life. A write of the session, which may
 * change its claims, brings a new one.
 */
export function createIdentityTokens(
  { audience, claims: names, lifetime }: IdentityTokenConfig,
  deps: { issuer: string; keys: Pick<SigningKeys, 'sign'>; clock: () => number },
): IdentityTokens {
  const { issuer, keys, clock } = deps;
  const entries = createBoundedMap<string, Entry>({
    maxEntries: MAX_TOKENS,
    maxSize: MAX_BYTES,
    sizeOf: ({ bytes }) => bytes,
    isExpired: ({ usableUntilMs }) => clock() >= usableUntilMs,
  });

  const payloadOf = ({ data }: IdentitySource, nowMs: number) => {
    const claims = currentClaims(data);
    const own = names
      .map((name) => [name, claimAt(claims, [name])])
      .filter(([, value]) => value !== undefined);
    const iat = Math.floor(nowMs / 1000);
    const exp = iat + Math.floor(lifetime / 1000);
    return { ...Object.fromEntries(own), iss: issuer, aud: audience, iat, exp };
  };

  return async (source) => {
    const nowMs = clock();
    const known = entries.get(source.key);
    if (known !== undefined && known.version === source.version && nowMs < known.usableUntilMs)
      return known.token;
    const payload = payloadOf(source, nowMs);
    const token = keys.sign(payload, { type: 'JWT' });
    entries.set(source.key, {
      version: source.version,
      token,
      usableUntilMs: nowMs + lifetime * USED_SHARE,
      bytes: OVERHEAD_BYTES + sizeInBase64(JSON.stringify(payload)),
    });
    // A failure must not last as long as a token.
    token.catch(() => entries.delete(source.key));
    return token;
  };
}

function sizeInBase64(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / 3) * 4;
}
