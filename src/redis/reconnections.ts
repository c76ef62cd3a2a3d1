import { Cluster } from 'ioredis';
import type { RedisClient } from './client.ts';

/** When and to what a client has reconnected. */
export type Reconnections = {
  /**
   * When the client last connected to a Redis that may have lost acknowledged writes (epoch ms): another process, after a
   * failover or a restart. Undefined if it never did.
   */
  serverChangedAtMs(): number | undefined;
  /** Since when there is a connection (epoch ms); `Infinity` while there is none. */
  connectedSinceMs(): number;
  /** Calls the listener whenever the connection has been restored. */
  onReconnect(listener: () => void): void;
};

export function watchReconnections(client: RedisClient): Reconnections {
  const listeners: (() => void)[] = [];
  let connectedSinceMs = Infinity;
  let hasConnected = false;
  let serverChangedAtMs: number | undefined;
  let runId: string | undefined;

  client.on('ready', () => {
    const isReconnected = hasConnected;
    hasConnected = true;
    connectedSinceMs = Date.now();
    const earlierChangeMs = serverChangedAtMs;
    if (isReconnected) serverChangedAtMs = connectedSinceMs;
    void readRunId(client).then((nextRunId) => {
      // The same process has lost nothing.
      if (runId !== undefined && nextRunId === runId) serverChangedAtMs = earlierChangeMs;
      runId = nextRunId;
    });
    if (isReconnected) listeners.forEach((listener) => listener());
  });
  client.on('close', () => {
    connectedSinceMs = Infinity;
  });

  return {
    serverChangedAtMs: () => serverChangedAtMs,
    connectedSinceMs: () => connectedSinceMs,
    onReconnect: (listener) => void listeners.push(listener),
  };
}

/** The id that a Redis process chose at its start; undefined for a cluster, or if the user may not read it. */
async function readRunId(client: RedisClient): Promise<string | undefined> {
  if (client instanceof Cluster) return undefined;
  const text = await client.info('server').catch(() => '');
  return /^run_id:(\w+)/m.exec(text)?.[1];
}
