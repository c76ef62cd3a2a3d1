import { z } from 'zod';
import type { BlindIndex } from '../crypto/blind-index.ts';
import { UnknownKeyError, type Envelopes } from '../crypto/envelope.ts';
import { readDpopKey, type DpopKey } from '../dpop/key.ts';
import type { RedisConnection } from '../redis/connection.ts';
import type { AccessToken } from '../tokens/token-set.ts';

/** An access token of the gateway itself, and the key that it is bound to, unless it is a bearer token. */
export type ClientToken = AccessToken & { readonly dpopKey?: DpopKey | undefined };

/** Access tokens of the gateway itself that all processes share. The names of tokens may be of any length. */
export type SharedTokens = {
  /** Undefined for a token that is unknown, over, or sealed with a secret of other processes. Throws `store_unavailable`. */
  get(name: string): Promise<ClientToken | undefined>;
  /** Stores a token for `ttlMs`. Throws `store_unavailable`. */
  put(name: string, token: ClientToken, ttlMs: number): Promise<void>;
};

const tokenSchema = z.object({
  value: z.string(),
  obtainedAtMs: z.number(),
  expiresAtMs: z.number().optional(),
  dpopKey: z.string().transform(readDpopKey).optional(),
});

/** Tokens in Redis: a blind name, and an envelope that is bound to it. */
export function createRedisSharedTokens(deps: {
  redis: RedisConnection;
  envelopes: Envelopes;
  blindIndex: BlindIndex;
  keyPrefix: string;
}): SharedTokens {
  const { redis, envelopes, blindIndex, keyPrefix } = deps;
  const keyOf = (name: string) => `${keyPrefix}token:${blindIndex.name([name])}`;
  return {
    async get(name) {
      const key = keyOf(name);
      const sealed = await redis.run('client_token_get', (client) => client.getBuffer(key));
      return sealed === null ? undefined : open(envelopes, sealed, key);
    },
    async put(name, token, ttlMs) {
      const key = keyOf(name);
      const sealed = envelopes.seal(JSON.stringify(token), key);
      const lifetimeMs = Math.max(1, Math.ceil(ttlMs));
      await redis.run('client_token_put', (client) => client.set(key, sealed, 'PX', lifetimeMs));
    },
  };
}

/** No shared tokens, for a store that no other process uses. */
export const noSharedTokens: SharedTokens = { get: async () => undefined, put: async () => undefined };

function open(envelopes: Envelopes, sealed: Buffer, key: string): ClientToken | undefined {
  try {
    const text = envelopes.open(sealed, key);
    return text === undefined ? undefined : tokenSchema.parse(JSON.parse(text));
  } catch (error) {
    if (error instanceof UnknownKeyError) return undefined;
    throw error;
  }
}
