import type { RedisClient } from './client.ts';

/**
 * Returns a function to call before each command, which combines the commands of one turn of the event loop into a single
 * write: separate writes double the cost of a command. Has no effect on a cluster.
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
