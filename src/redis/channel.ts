import type { Redis } from 'ioredis';
import type { Logger } from '../observability/log.ts';
import { reconnectDelayMs } from './client.ts';
import type { RedisConnection } from './connection.ts';

/** A subscription to one Redis channel. */
export type Channel = {
  readonly name: string;
  /** True while every published message is certain to arrive. */
  isSubscribed(): boolean;
  close(): void;
};

/** The time between two PINGs on the subscription, in milliseconds. */
const HEARTBEAT_MS = 2_000;

/**
 * Subscribes to a channel on its own connection, and reconnects whenever the connection is lost. Redis does not redeliver
 * messages: `onMissedMessages` is called when some may have been missed, and `onSubscribed` once the subscription is active.
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
  let isSubscribed = false;
  let isClosed = false;
  let attempt = 0;
  let subscriber: Redis | undefined;
  let retry: NodeJS.Timeout | undefined;

  const open = () => {
    const opened = redis.openSubscriber(attempt);
    subscriber = opened;
    if (opened === undefined) return handleLost();
    opened.on('error', () => undefined);
    opened.on('message', (_channel, message) => onMessage(message));
    opened.once('end', handleLost);
    opened.subscribe(name).then(handleSubscribed, () => opened.disconnect());
  };
  const handleSubscribed = () => {
    // Data that was read before the subscription was active may have changed without a message.
    onMissedMessages();
    isSubscribed = true;
    attempt = 0;
    onSubscribed?.();
  };
  const handleLost = () => {
    if (isClosed) return;
    if (isSubscribed)
      log.warn({ channel: name }, 'Redis subscription lost; reconnecting. Cached data is not used meanwhile');
    isSubscribed = false;
    onMissedMessages();
    attempt += 1;
    retry = setTimeout(open, reconnectDelayMs(attempt));
  };

  open();
  // A dead connection may not report an error, so probe it.
  const heartbeat = setInterval(() => {
    const probed = subscriber;
    if (isSubscribed) probed?.ping().catch(() => probed.disconnect());
  }, HEARTBEAT_MS);
  heartbeat.unref();

  return {
    name,
    isSubscribed: () => isSubscribed,
    close() {
      isClosed = true;
      clearInterval(heartbeat);
      clearTimeout(retry);
      subscriber?.disconnect();
    },
  };
}
