import { HEARTBEAT } from '../timing.ts';
import type { Peer } from './ipc.ts';

/** Watches one worker until `stop`. */
export type Heartbeat = { stop(): void };

/**
 * Pings a worker at intervals, and calls `onHang` once when it has not responded to too many pings in a row. Counts
 * pings instead of time, so that a machine that was suspended does not look like a worker that hangs.
 */
export function startHeartbeat(worker: Peer, onHang: () => void): Heartbeat {
  let unanswered = 0;
  worker.onMessage(({ kind }) => {
    if (kind === 'pong') unanswered = 0;
  });
  const timer = setInterval(() => {
    if (unanswered === HEARTBEAT.unanswered) {
      clearInterval(timer);
      return onHang();
    }
    unanswered += 1;
    worker.send({ kind: 'ping' });
  }, HEARTBEAT.intervalMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
