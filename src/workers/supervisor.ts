import cluster, { type Worker } from 'node:cluster';
import { unjitteredBackoffMs } from '../concurrency/backoff.ts';
import { withoutOwnVariables } from '../config/sources.ts';
import type { Logger } from '../observability/log.ts';
import { glibcVariables } from '../performance/glibc.ts';
import type { Listeners } from '../server.ts';
import { startHeartbeat, watchStart } from './heartbeat.ts';
import { createSnapshotBroker, isMessage, type ConfigFiles, type Message, type Peer } from './ipc.ts';
import { closeUntakenConnections } from './untaken-connections.ts';
import { createWorkerReloads, WorkerReloadError } from './worker-reloads.ts';

/** Runs the workers. The supervisor process itself serves no requests. */
export type Supervisor = {
  /**
   * Settles with the listeners when all initial workers listen. Rejects when one of them exits first: its replacement would
   * fail for the same reason. Never settles after an earlier `stop`.
   */
  readonly listening: Promise<Listeners>;
  /**
   * Makes every worker reload its configuration, once all have started, and settles when they have; a replacement that is
   * still starting does so afterwards. Rejects when a worker cannot, or takes longer than `timeoutMs`. Unless some of the
   * others could, a later worker then starts with the former files.
   */
  reload(files: ConfigFiles, timeoutMs: number): Promise<void>;
  /** Makes every worker count a reload whose files were invalid. */
  reloadFailed(): void;
  /** Lets every worker finish its requests in flight. Settles when all have exited; rejects when one exits with an error. */
  stop(): Promise<void>;
};

/** A worker that exits sooner than this is replaced after a back-off, in milliseconds. */
const SHORT_LIFE_MS = 5_000;
const RESTART_BACKOFF = { firstMs: 500, longestMs: 10_000 };

/** Starts `count` workers on the same listeners, with the files, and replaces each that ends, or hangs, also while it starts. */
export function supervise(deps: { count: number; files: ConfigFiles; log: Logger }): Supervisor {
  const { count, log } = deps;
  /** What a new worker starts with. */
  let { files } = deps;
  /** What the workers are reloading with. */
  let pendingFiles: ConfigFiles | undefined;
  let lastReload: Promise<unknown> = Promise.resolve();
  const workerReloads = createWorkerReloads();
  const serving = new Map<Worker, Peer>();
  const snapshotBroker = createSnapshotBroker({
    peersOf: (requester) => [...serving.values()].filter((peer) => peer !== requester),
    workerCount: () => count,
  });
  const started = Promise.withResolvers<Listeners>();
  const stopped = Promise.withResolvers<void>();
  let phase: 'starting' | 'running' | 'stopping' = 'starting';
  let shortLives = 0;
  let hasFailed = false;

  const fork = () => {
    const worker = cluster.fork(withoutOwnVariables(glibcVariables));
    closeUntakenConnections(worker);
    const startedAtMs = performance.now();
    const startedWith = files;
    const peer = peerOf(worker);
    let heartbeat = watchStart(() => killHanging(worker, 'a worker does not start; killing it'));
    snapshotBroker.connect(peer);
    workerReloads.connect(peer);
    peer.onMessage((message) => {
      if (message.kind === 'getFiles') peer.send({ kind: 'start', files: startedWith });
      if (message.kind !== 'listening') return;
      serving.set(worker, peer);
      heartbeat.stop();
      heartbeat = startHeartbeat(peer, () => killHanging(worker, 'a worker does not respond; killing it'));
      const newest = pendingFiles ?? files;
      if (newest !== startedWith) workerReloads.update(peer, newest);
      if (phase === 'starting' && serving.size === count) {
        phase = 'running';
        started.resolve({ url: message.url, adminUrl: message.adminUrl });
      }
    });
    worker.once('exit', (code: number | null, signal: string | null) => {
      heartbeat.stop();
      snapshotBroker.retire(peer);
      // A worker that never served has no requests in flight, so its exit code does not matter.
      if (serving.delete(worker)) hasFailed ||= code !== 0;
      if (phase === 'running') replace({ worker: worker.id, code, signal }, performance.now() - startedAtMs);
      else if (phase === 'starting') abortStart();
      if (phase !== 'running' && !isAnyAlive()) stopped.resolve();
    });
  };

  /** A worker that hangs handles no signal but this one. Its exit starts a replacement. */
  const killHanging = (worker: Worker, message: string) => {
    log.error({ worker: worker.id }, message);
    worker.process.kill('SIGKILL');
  };
  const replace = (exitDetails: object, uptimeMs: number) => {
    log.error(exitDetails, 'a worker exited; starting a replacement');
    shortLives = uptimeMs < SHORT_LIFE_MS ? shortLives + 1 : 0;
    const pauseMs = shortLives === 0 ? 0 : unjitteredBackoffMs(shortLives, RESTART_BACKOFF);
    setTimeout(() => phase === 'running' && fork(), pauseMs);
  };
  const abortStart = () => {
    phase = 'stopping';
    signalAll('SIGKILL');
    started.reject(new Error('a worker exited before it was ready'));
  };
  const sendAll = (message: Message) => {
    for (const peer of serving.values()) peer.send(message);
  };
  const applyFiles = async (latest: ConfigFiles, timeoutMs: number) => {
    await started.promise;
    pendingFiles = latest;
    const hasExited = (peer: Peer) => ![...serving.values()].includes(peer);
    try {
      await workerReloads.reload([...serving.values()], { files: latest, timeoutMs, hasExited });
      files = latest;
    } catch (error) {
      if (error instanceof WorkerReloadError && error.isPartial) files = latest;
      throw error;
    } finally {
      pendingFiles = undefined;
    }
  };
  const reload = (latest: ConfigFiles, timeoutMs: number) => {
    const applied = lastReload.then(() => applyFiles(latest, timeoutMs));
    lastReload = applied.catch(() => undefined);
    return applied;
  };
  const reloadFailed = () => sendAll({ kind: 'reloadFailed' });
  const stop = async () => {
    phase = 'stopping';
    hasFailed = false;
    signalAll('SIGTERM');
    if (!isAnyAlive()) stopped.resolve();
    await stopped.promise;
    if (hasFailed) throw new Error('a worker exited with work in flight');
  };

  for (let at = 0; at < count; at += 1) fork();
  return { listening: started.promise, reload, reloadFailed, stop };
}

function allWorkers(): readonly Worker[] {
  return Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
}

function isAnyAlive(): boolean {
  return allWorkers().some((worker) => !worker.isDead());
}

function signalAll(signal: NodeJS.Signals): void {
  for (const worker of allWorkers()) worker.process.kill(signal);
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
