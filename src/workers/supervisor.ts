import cluster, { type Worker } from 'node:cluster';
import { unjitteredBackoffMs } from '../concurrency/backoff.ts';
import type { Logger } from '../observability/log.ts';
import type { Listeners } from '../server.ts';
import { createSnapshotBroker, isMessage, type Message, type Peer } from './ipc.ts';

/** The processes that serve, from the one that keeps them going and serves nothing itself. */
export type Supervisor = {
  /**
   * Settles with the public and the admin listener when all of the first workers listen. Rejects when one of them cannot:
   * whatever it is, its replacement would meet it as well. Does neither when they are stopped before.
   */
  readonly listening: Promise<Listeners>;
  /** Has every worker read the secrets anew; one that is still starting, when it has. */
  reload(): void;
  /** Lets every worker finish what it has in flight; settles when all are gone, rejects when one did not end well. */
  stop(): Promise<void>;
};

/** A worker that lived shorter than this is replaced after a pause, in milliseconds; the pause doubles up to the longest. */
const SHORT_LIFE_MS = 5_000;
const PAUSES = { firstMs: 500, longestMs: 10_000 };

/** Starts `count` workers on the same listeners and replaces each that ends. */
export function supervise({ count, log }: { count: number; log: Logger }): Supervisor {
  const serving = new Map<Worker, Peer>();
  const switchboard = createSnapshotBroker((asking) =>
    [...serving.values()].filter((peer) => peer !== asking),
  );
  const started = Promise.withResolvers<Listeners>();
  const stopped = Promise.withResolvers<void>();
  let phase: 'starting' | 'running' | 'stopping' = 'starting';
  let shortLives = 0;
  let hasFailed = false;
  let reloads = 0;

  const fork = () => {
    const worker = cluster.fork();
    const startedAtMs = performance.now();
    const reloadsBefore = reloads;
    const peer = peerOf(worker);
    switchboard.connect(peer);
    peer.onMessage((message) => {
      if (message.kind !== 'listening') return;
      serving.set(worker, peer);
      // It may have read the file before that was changed.
      if (reloads > reloadsBefore) worker.process.kill('SIGHUP');
      if (phase === 'starting' && serving.size === count) {
        phase = 'running';
        started.resolve({ url: message.url, adminUrl: message.adminUrl });
      }
    });
    worker.once('exit', (code: number | null, signal: string | null) => {
      // One that has not served yet has left nothing undone, however it ended.
      if (serving.delete(worker)) hasFailed ||= code !== 0;
      if (phase === 'running') replace({ worker: worker.id, code, signal }, performance.now() - startedAtMs);
      else if (phase === 'starting') giveUp();
      if (phase !== 'running' && !isAnyLeft()) stopped.resolve();
    });
  };

  const replace = (ended: object, livedMs: number) => {
    log.error(ended, 'a worker exited; starting a replacement');
    shortLives = livedMs < SHORT_LIFE_MS ? shortLives + 1 : 0;
    const pauseMs = shortLives === 0 ? 0 : unjitteredBackoffMs(shortLives, PAUSES);
    setTimeout(() => phase === 'running' && fork(), pauseMs);
  };
  const giveUp = () => {
    phase = 'stopping';
    signalAll('SIGKILL');
    started.reject(new Error('a worker exited before it was ready'));
  };
  const reload = () => {
    reloads += 1;
    // One that is still starting would end by it.
    for (const worker of serving.keys()) worker.process.kill('SIGHUP');
  };
  const stop = async () => {
    phase = 'stopping';
    hasFailed = false;
    signalAll('SIGTERM');
    if (!isAnyLeft()) stopped.resolve();
    await stopped.promise;
    if (hasFailed) throw new Error('a worker exited with work in flight');
  };

  for (let at = 0; at < count; at += 1) fork();
  return { listening: started.promise, reload, stop };
}

function workersLeft(): readonly Worker[] {
  return Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
}

function isAnyLeft(): boolean {
  return workersLeft().some((worker) => !worker.isDead());
}

function signalAll(signal: NodeJS.Signals): void {
  for (const worker of workersLeft()) worker.process.kill(signal);
}

function peerOf(worker: Worker): Peer {
  return {
    send(message: Message) {
      if (worker.isConnected()) worker.send(message, () => undefined);
    },
    onMessage(listener) {
      worker.on('message', (message: unknown) => {
        if (isMessage(message)) listener(message);
      });
    },
  };
}
