import type { BlindIndex } from '../../../crypto/blind-index.ts';
import { createScript, type RedisConnection } from '../../../redis/connection.ts';
import type { MarkerSubject, SessionStore } from '../store.ts';

/** KEYS marker. GETDEL would be one more right of the Redis user. */
const takeScript = createScript(`
  local text = redis.call('GET', KEYS[1])
  redis.call('DEL', KEYS[1])
  return text`);

/** Markers in Redis, under blind indexes. While secrets rotate, a marker may have the name of any of them. */
export function createRedisMarkers(deps: {
  redis: RedisConnection;
  blindIndex: BlindIndex;
  keyPrefix: string;
}): Pick<SessionStore, 'putMarker' | 'getMarker' | 'takeMarker'> {
  const { redis, blindIndex, keyPrefix } = deps;
  const nameOf = (subject: MarkerSubject) => `${keyPrefix}note:${blindIndex.name(subject)}`;
  const namesOf = (subject: MarkerSubject) =>
    blindIndex.names(subject).map((name) => `${keyPrefix}note:${name}`);

  const getMarker: SessionStore['getMarker'] = async (subject) => {
    const texts = await Promise.all(
      namesOf(subject).map((name) => redis.run('marker', (client) => client.get(name))),
    );
    return texts.find((text) => text !== null) ?? undefined;
  };

  return {
    getMarker,

    async putMarker(subject, text, ttlMs, condition) {
      const ttl = Math.max(1, Math.ceil(ttlMs));
      if (condition === 'if_present') {
        const replies = await Promise.all(
          namesOf(subject).map((name) =>
            redis.run('marker', (client) => client.set(name, text, 'PX', ttl, 'XX')),
          ),
        );
        return replies.includes('OK');
      }
      if (condition === 'if_absent') {
        // SECURITY: under each name, and in an order that all processes have: of those that share a secret, one gets all its names.
        for (const name of namesOf(subject).toSorted())
          if ((await redis.run('marker', (client) => client.set(name, text, 'PX', ttl, 'NX'))) !== 'OK')
            return false;
        return true;
      }
      await redis.run('marker', (client) => client.set(nameOf(subject), text, 'PX', ttl));
      return true;
    },

    async takeMarker(subject) {
      const replies = await Promise.all(
        namesOf(subject).map((name) => redis.evaluate('note_take', takeScript, [name], [])),
      );
      return replies.find((reply) => Buffer.isBuffer(reply))?.toString();
    },
  };
}
