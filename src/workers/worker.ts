import cluster from 'node:cluster';
import type { Config } from '../config/schema/schema.ts';
import type { Logger } from '../observability/log.ts';
import { startServer, type RunningServer } from '../server.ts';
import { createSnapshotClient, isMessage, type Peer } from './ipc.ts';

/** Serves as one of several processes; tells the supervisor once it listens, and answers its questions. */
export async function work(config: Config, log: Logger): Promise<RunningServer> {
  const supervisor = createSupervisorPeer();
  const rollCalls = createSnapshotClient(supervisor);
  const server = await startServer(config, log.child({ worker: cluster.worker?.id }), rollCalls);
  rollCalls.answerWith(server.snapshot);
  supervisor.send({ kind: 'listening', url: server.url, adminUrl: server.adminUrl });
  return server;
}

/**
 * Settles when the supervisor has ended without having stopped this worker, as by `kill -9`. Left to itself, Node.js exits
 * then at once, and with it goes every refresh in flight, whose tokens nobody else has.
 */
export function supervisorLoss(): Promise<void> {
  return new Promise((resolve) => {
    cluster.worker?.once('disconnect', () => {
      // What `node:cluster` (24.21) asks before it exits, right after this event: test/e2e/workers.test.ts.
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
