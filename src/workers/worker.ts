import cluster from 'node:cluster';
import type { Config } from '../config/schema/schema.ts';
import type { Logger } from '../observability/log.ts';
import { startServer, type RunningServer } from '../server.ts';
import { createSnapshotClient, isMessage, type Peer } from './ipc.ts';

/** Serves as one of several workers: reports to the supervisor once it listens, and provides snapshots on request. */
export async function startWorker(config: Config, log: Logger): Promise<RunningServer> {
  const supervisor = createSupervisorPeer();
  const snapshotClient = createSnapshotClient(supervisor);
  const server = await startServer(config, log.child({ worker: cluster.worker?.id }), snapshotClient);
  snapshotClient.provide(server.snapshot);
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
