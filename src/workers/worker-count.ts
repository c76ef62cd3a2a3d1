import { availableParallelism } from 'node:os';
import type { Config } from '../config/schema/schema.ts';

export function workerCount({ workers }: Pick<Config, 'workers'>): number {
  return workers === 'auto' ? availableParallelism() : workers;
}
