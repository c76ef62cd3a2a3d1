import { Redis } from 'ioredis';
import type { GatewayCluster, Visitor } from '../gateway/cluster.ts';

/** The versions of session records. */
export type Versions = {
  /** The version of a visitor's record, or its last one after the end: 1 after the sign-in, one more per write. */
  of(visitor: Visitor): number;
  close(): void;
};

/** Follows the records of visitors by the messages about every write. */
export async function followVersions(
  cluster: GatewayCluster,
  visitors: readonly Visitor[],
): Promise<Versions> {
  const keyOf = new Map(
    await Promise.all(
      visitors.map(async (visitor) => {
        const { sessionId } = JSON.parse((await visitor.get(cluster.member(0), '/auth/session')).body) as {
          sessionId: string;
        };
        return [visitor.name, sessionId] as const;
      }),
    ),
  );

  const versions = new Map<string, number>();
  const subscriber = new Redis(cluster.redis.url);
  subscriber.on('message', (_channel, message) => {
    const [, key = '', version] = message.split(' ');
    versions.set(key, Number(version));
  });
  await subscriber.subscribe('coatcheck:changes');

  return {
    of: ({ name }) => versions.get(keyOf.get(name) ?? '') ?? 1,
    close: () => subscriber.disconnect(),
  };
}
