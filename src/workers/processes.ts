import cluster from 'node:cluster';
import { availableParallelism } from 'node:os';
import type { Config } from '../config/schema/schema.ts';
import type { Logger } from '../observability/log.ts';
import { startServer, type Listeners, type RunningServer } from '../server.ts';
import { supervise } from './supervisor.ts';
import { startWorker, supervisorLoss } from './worker.ts';

/** The running gateway, seen from this process. */
export type Service = {
  /** Settles when all processes listen. Rejects when an address cannot be bound. */
  readonly listening: Promise<Listeners>;
  /** Replaces the secrets with those of another configuration. During start-up, waits until the start is complete. */
  replaceSecrets(config: Config): Promise<void>;
  /** Settles when the supervisor of this worker has exited unexpectedly. Never settles in other processes. */
  readonly abandoned: Promise<void>;
  /** Stops accepting, finishes requests in flight and settles. During start-up, waits until the start is complete. */
  stop(): Promise<void>;
};

/** The role of this process; `all` means that it serves without workers. */
export type ProcessRole = 'all' | 'supervisor' | 'worker';

export function processRole({ workers }: Pick<Config, 'workers'>): ProcessRole {
  if (workerCount(workers) === 1) return 'all';
  return cluster.isWorker ? 'worker' : 'supervisor';
}

/** Starts to serve, in this process or in the configured number of workers. */
export function start(config: Config, log: Logger): Service {
  switch (processRole(config)) {
    case 'all':
      return serviceOf(startServer(config, log), never);
    case 'worker':
      return serviceOf(startWorker(config, log), supervisorLoss());
    case 'supervisor': {
      const { listening, reload, stop } = supervise({ count: workerCount(config.workers), log });
      // Each worker reads the file itself, so that no secret is sent over IPC.
      return { listening, replaceSecrets: async () => reload(), abandoned: never, stop };
    }
  }
}

const never = new Promise<void>(() => undefined);

function serviceOf(starting: Promise<RunningServer>, abandoned: Promise<void>): Service {
  return {
    abandoned,
    listening: starting,
    replaceSecrets: async (config) => (await starting).replaceSecrets(config),
    stop: async () => (await starting).stop(),
  };
}

function workerCount(workers: Config['workers']): number {
  return workers === 'auto' ? availableParallelism() : workers;
}
