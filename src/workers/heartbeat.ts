import { HEARTBEAT } from '../timing.ts';
import type { Peer } from './ipc.ts';

/** Watches one worker until `stop`. Counts intervals instead of time, so that a suspension of the machine is no hang. */
export type Heartbeat = { stop(): void };

/** Calls `onHang` once when a worker takes too long to start. The caller stops this once the worker serves. */
export function watchStart(onHang: () => void): Heartbeat {
  let intervals = 0;
  const timer = setInterval(() => {
    intervals += 1;
    if (intervals < HEARTBEAT.untilServing) return;
    clearInterval(timer);
    onHang();
  }, HEARTBEAT.intervalMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}

/** Pings a worker at intervals, and calls `onHang` once when it has not responded to too many pings in a row. */
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
