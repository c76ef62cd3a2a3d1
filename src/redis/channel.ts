import type { Redis } from 'ioredis';
import type { Logger } from '../observability/log.ts';
import { reconnectDelayMs } from './client.ts';
import type { RedisConnection } from './connection.ts';

/** A subscription to one channel of Redis. */
export type Channel = {
  readonly name: string;
  /** True while every message published is sure to arrive; false from the moment the connection is in doubt. */
  isSubscribed(): boolean;
  close(): void;
};

/** How long a silent subscription is believed before it must answer a PING, in milliseconds. */
const HEARTBEAT_MS = 2_000;

/**
 * Subscribes to a channel on a connection of its own, and again whenever that is lost. Messages published meanwhile are
 * lost too: `onMissedMessages` is called when that may have happened, and `onSubscribed` when from now on nothing is missed.
 */
export function openChannel(deps: {
  redis: RedisConnection;
  name: string;
  log: Logger;
  onMessage: (message: string) => void;
  onMissedMessages: () => void;
  onSubscribed?: () => void;
}): Channel {
  const { redis, name, log, onMessage, onMissedMessages, onSubscribed } = deps;
  let live = false;
  let closed = false;
  let attempt = 0;
  let subscriber: Redis | undefined;
  let retry: NodeJS.Timeout | undefined;

  const open = () => {
    const opened = redis.openSubscriber(attempt);
    subscriber = opened;
    if (opened === undefined) return lose();
    opened.on('error', () => undefined);
    opened.on('message', (_channel, message) => onMessage(message));
    opened.once('end', lose);
    opened.subscribe(name).then(stand, () => opened.disconnect());
  };
  const stand = () => {
    // What was read before the subscription stood may have changed unheard.
    onMissedMessages();
    live = true;
    attempt = 0;
    onSubscribed?.();
  };
  const lose = () => {
    if (closed) return;
    if (live)
      log.warn({ channel: name }, 'Redis subscription lost; reconnecting. Cached data is not used meanwhile');
    live = false;
    onMissedMessages();
    attempt += 1;
    retry = setTimeout(open, reconnectDelayMs(attempt));
  };

  open();
  // A connection can be dead without anyone having said so: ask.
  const heartbeat = setInterval(() => {
    const asked = subscriber;
    if (live) asked?.ping().catch(() => asked.disconnect());
  }, HEARTBEAT_MS);
  heartbeat.unref();

  return {
    name,
    isSubscribed: () => live,
    close() {
      closed = true;
      clearInterval(heartbeat);
      clearTimeout(retry);
      subscriber?.disconnect();
    },
  };
}
