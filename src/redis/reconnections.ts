import { Cluster } from 'ioredis';
import type { RedisClient } from './client.ts';

/** When and to what a client has reconnected. */
export type Reconnections = {
  /**
   * When the client last connected to a Redis that may have lost acknowledged writes (epoch ms): another process, after a
   * failover or a restart. Undefined if it never did.
   */
  serverChangedAtMs(): number | undefined;
  /** Calls the listener whenever the connection has been restored, or a cluster has other primaries. */
  onReconnect(listener: () => void): void;
};

export function watchReconnections(client: RedisClient): Reconnections {
  const listeners: (() => void)[] = [];
  let hasConnected = false;
  let serverChangedAtMs: number | undefined;
  let runId: string | undefined;
  const announce = () => listeners.forEach((listener) => listener());

  client.on('ready', () => {
    const isReconnected = hasConnected;
    hasConnected = true;
    const earlierChangeMs = serverChangedAtMs;
    if (isReconnected) serverChangedAtMs = Date.now();
    void readRunId(client).then((nextRunId) => {
      // The same process has lost nothing.
      if (runId !== undefined && nextRunId === runId) serverChangedAtMs = earlierChangeMs;
      runId = nextRunId;
    });
    if (isReconnected) announce();
  });
  if (client instanceof Cluster) watchPrimaries(client);

  /** A cluster stays connected while one of its primaries fails over. */
  function watchPrimaries(cluster: Cluster): void {
    let known: string | undefined;
    cluster.on('refresh', () => {
      const primaries = cluster
        .nodes('master')
        .map(({ options }) => `${options.host}:${options.port}`)
        .toSorted()
        .join();
      const hasChanged = known !== undefined && primaries !== known;
      known = primaries;
      if (!hasChanged) return;
      serverChangedAtMs = Date.now();
      announce();
    });
  }

  return {
    serverChangedAtMs: () => serverChangedAtMs,
    onReconnect: (listener) => void listeners.push(listener),
  };
}

/** The id that a Redis process chose at its start; undefined for a cluster, or if the user may not read it. */
async function readRunId(client: RedisClient): Promise<string | undefined> {
  if (client instanceof Cluster) return undefined;
  const text = await client.info('server').catch(() => '');
  return /^run_id:(\w+)/m.exec(text)?.[1];
}
