import type { Logger } from '../log.ts';
import { reconnectDelayMs, type RedisConnection } from './connection.ts';

/** A subscription to one channel of Redis. */
export type Channel = {
  readonly name: string;
  /** True while every message published is sure to arrive; false from the moment the connection is in doubt. */
  isLive(): boolean;
  close(): void;
};

/** How long a silent subscription is believed before it must answer a PING, in milliseconds. */
const HEARTBEAT_MS = 2_000;

/**
 * Subscribes to a channel on a connection of its own and stays subscribed through outages. Messages published while the
 * connection was away are lost; `onGap` is called each time that may have happened.
 */
export function openChannel(deps: {
  redis: RedisConnection;
  name: string;
  log: Logger;
  onMessage: (message: string) => void;
  onGap: () => void;
}): Channel {
  let live = false;
  const subscriber = deps.redis.duplicate({
    enableOfflineQueue: true,
    autoResubscribe: false,
    maxRetriesPerRequest: null,
    retryStrategy: (attempt) => reconnectDelayMs(attempt),
  });

  const lose = () => {
    if (live) deps.log.warn({ channel: deps.name }, 'subscription lost: nothing is cached until it is back');
    live = false;
    deps.onGap();
  };
  subscriber.on('error', () => undefined);
  subscriber.on('close', lose);
  subscriber.on('ready', () => {
    subscriber.subscribe(deps.name).then(
      () => {
        // What was cached before the subscription stood may have changed unseen.
        deps.onGap();
        live = true;
      },
      () => subscriber.disconnect(true),
    );
  });
  subscriber.on('message', (_channel, message) => deps.onMessage(message));

  // A connection can be dead without anyone having said so: ask.
  const heartbeat = setInterval(() => {
    if (live) subscriber.ping().catch(() => subscriber.disconnect(true));
  }, HEARTBEAT_MS);
  heartbeat.unref();

  return {
    name: deps.name,
    isLive: () => live,
    close() {
      clearInterval(heartbeat);
      subscriber.removeAllListeners('close');
      subscriber.disconnect();
    },
  };
}
