import type { RedisClient } from './client.ts';

/**
 * Makes the commands that a turn of the event loop has for one server a single write at its end: call it before each. A
 * write of its own for each command costs as much again as the command. With a cluster, commands go as they come.
 */
export function corkWrites(client: RedisClient): () => void {
  let isCorked = false;
  return () => {
    if (isCorked || !('stream' in client)) return;
    const { stream } = client;
    isCorked = true;
    stream.cork();
    setImmediate(() => {
      isCorked = false;
      stream.uncork();
    });
  };
}
