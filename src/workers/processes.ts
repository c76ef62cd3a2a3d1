import cluster from 'node:cluster';
import { availableParallelism } from 'node:os';
import type { Config } from '../config/schema.ts';
import type { Logger } from '../log.ts';
import { serve } from '../serve.ts';
import { supervise } from './supervisor.ts';
import { work } from './worker.ts';

/** What serves, seen from the process that was started. */
export type Service = {
  /** The public and the admin listener, as bound. */
  readonly url: string;
  readonly adminUrl: string;
  replaceSecrets(config: Config): void;
  /** Stops accepting, finishes what is in flight, and settles when all is done. */
  stop(): Promise<void>;
};

/** Which part of the whole this process is. */
export type Part = 'all' | 'supervisor' | 'worker';

/** Tells which part this process is, with so many `workers` configured. */
export function partOf({ workers }: Pick<Config, 'workers'>): Part {
  if (countOf(workers) === 1) return 'all';
  return cluster.isWorker ? 'worker' : 'supervisor';
}

/** Begins to serve: in this process, or in as many as are configured. Rejects when an address cannot be bound. */
export async function start(config: Config, log: Logger): Promise<Service> {
  switch (partOf(config)) {
    case 'all':
      return serve(config, log);
    case 'worker':
      return work(config, log);
    case 'supervisor': {
      const { url, adminUrl, reload, stop } = await supervise({ count: countOf(config.workers), log });
      // Each worker reads them for itself: a secret is not sent about.
      return { url, adminUrl, replaceSecrets: reload, stop };
    }
  }
}

function countOf(workers: Config['workers']): number {
  return workers === 'auto' ? availableParallelism() : workers;
}
