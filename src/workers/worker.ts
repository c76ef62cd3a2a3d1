import cluster from 'node:cluster';
import { keepRestartKeys } from '../config/restart-keys.ts';
import type { Config } from '../config/schema/schema.ts';
import { sourcesOf } from '../config/sources.ts';
import type { Logger } from '../observability/log.ts';
import { configSchema, loadConfig, type LoadedConfig } from '../provider/read-config.ts';
import { startServer, type RunningServer } from '../server.ts';
import { createSnapshotClient, isMessage, type ConfigFiles, type Peer } from './ipc.ts';

/** The configuration that the supervisor wants this worker to start with. */
export async function configOfWorker(): Promise<LoadedConfig> {
  const files = await new Promise<ConfigFiles>((resolve) => {
    const supervisor = createSupervisorPeer();
    supervisor.onMessage((message) => {
      if (message.kind === 'start') resolve(message.files);
    });
    // Node.js 24 drops a message that arrives before a listener: the supervisor sends the files only now.
    supervisor.send({ kind: 'getFiles' });
  });
  return { config: readFiles(files), file: files.file, texts: files.current };
}

/** The keys that need a restart are those of the start of the supervisor, which has warned of the others. */
function readFiles({ file, initial, current }: ConfigFiles): Config {
  const last = loadConfig(file, sourcesOf(current));
  return keepRestartKeys(configSchema, loadConfig(file, sourcesOf(initial)), last).config;
}

/**
 * Serves as one of several workers: reports to the supervisor once it listens, provides snapshots on request, and reloads
 * when the supervisor has read another configuration.
 */
export async function startWorker(
  config: Config,
  log: Logger,
  { workerCount, onReload }: { workerCount: number; onReload: (config: Config) => void },
): Promise<RunningServer> {
  const supervisor = createSupervisorPeer();
  const snapshotClient = createSnapshotClient(supervisor, workerCount);
  const workerLog = log.child({ worker: cluster.worker?.id });
  const server = await startServer(config, workerLog, snapshotClient);
  snapshotClient.provide(server.snapshot);
  supervisor.onMessage((message) => {
    if (message.kind === 'reloadFailed') server.reloadFailed();
    if (message.kind === 'reload') void reload(message.id, message.files);
  });
  const reload = async (id: number, files: ConfigFiles) => {
    try {
      const next = readFiles(files);
      await server.reload(next);
      onReload(next);
      workerLog.info('configuration reloaded');
      supervisor.send({ kind: 'reloaded', id });
    } catch (error) {
      workerLog.error({ err: error }, 'config reload failed; keeping the current settings');
      supervisor.send({ kind: 'reloaded', id, error: String(error) });
    }
  };
  supervisor.send({ kind: 'listening', url: server.url, adminUrl: server.adminUrl });
  return server;
}

/**
 * Settles when the supervisor exits without having stopped this worker, for example after `kill -9`. By default, Node.js
 * would then exit at once and lose the tokens of every refresh in flight.
 */
export function supervisorLoss(): Promise<void> {
  return new Promise((resolve) => {
    cluster.worker?.once('disconnect', () => {
      // `node:cluster` (24.21) reads this flag right after the event and exits unless it is set: test/e2e/workers.test.ts.
      if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true;
      resolve();
    });
  });
}

function createSupervisorPeer(): Peer {
  return {
    send(message) {
      if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
    },
    onMessage(listener) {
      process.on('message', (message: unknown) => {
        if (isMessage(message)) listener(message);
      });
    },
  };
}
