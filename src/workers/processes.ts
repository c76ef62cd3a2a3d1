import cluster from 'node:cluster';
import { availableParallelism } from 'node:os';
import type { Config } from '../config/schema/schema.ts';
import type { Logger } from '../observability/log.ts';
import { startServer, type Listeners, type RunningServer } from '../server.ts';
import { supervise } from './supervisor.ts';
import { supervisorLoss, work } from './worker.ts';

/** What serves, seen from the process that was started. */
export type Service = {
  /** Settles when the addresses are bound, in all processes. Rejects when one cannot be. */
  readonly listening: Promise<Listeners>;
  /** Puts the secrets of another configuration in place; while it is starting, as soon as it has. */
  replaceSecrets(config: Config): Promise<void>;
  /** Settles when the supervisor of this worker has ended without a word. Never, in a process that is no worker. */
  readonly abandoned: Promise<void>;
  /** Stops accepting, finishes what is in flight, and settles when all is done; while it is starting, it stops when it has. */
  stop(): Promise<void>;
};

/** Which part of the whole this process is. */
export type Part = 'all' | 'supervisor' | 'worker';

/** Tells which part this process is, with so many `workers` configured. */
export function partOf({ workers }: Pick<Config, 'workers'>): Part {
  if (countOf(workers) === 1) return 'all';
  return cluster.isWorker ? 'worker' : 'supervisor';
}

/** Begins to serve: in this process, or in as many as are configured. */
export function start(config: Config, log: Logger): Service {
  switch (partOf(config)) {
    case 'all':
      return serviceOf(startServer(config, log), never);
    case 'worker':
      return serviceOf(work(config, log), supervisorLoss());
    case 'supervisor': {
      const { listening, reload, stop } = supervise({ count: countOf(config.workers), log });
      // Each worker reads them for itself: a secret is not sent about.
      return { listening, replaceSecrets: async () => reload(), abandoned: never, stop };
    }
  }
}

const never = new Promise<void>(() => undefined);

function serviceOf(serving: Promise<RunningServer>, abandoned: Promise<void>): Service {
  return {
    abandoned,
    listening: serving,
    replaceSecrets: async (config) => (await serving).replaceSecrets(config),
    stop: async () => (await serving).stop(),
  };
}

function countOf(workers: Config['workers']): number {
  return workers === 'auto' ? availableParallelism() : workers;
}
