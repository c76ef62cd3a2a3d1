import { createPendingRequests, type ConfigFiles, type Peer } from './ipc.ts';

/** Makes workers reload, and collects how the reloads end. The supervisor's side. */
export type WorkerReloads = {
  /** Records the reports of a new worker. */
  connect(worker: Peer): void;
  /**
   * Settles when each worker has reloaded. Rejects when one could not, or has not reported after `timeoutMs`; a worker that
   * `hasExited` meanwhile does not count.
   */
  reload(
    workers: readonly Peer[],
    options: { files: ConfigFiles; timeoutMs: number; hasExited: (worker: Peer) => boolean },
  ): Promise<void>;
  /** Makes a worker reload that has started with other files. Its own log says how that ends. */
  update(worker: Peer, files: ConfigFiles): void;
};

/** The id of a reload whose report nobody waits for. */
const NO_REPORT = 0;

export class WorkerReloadError extends Error {
  override readonly name = 'WorkerReloadError';
  /** True if some workers have the new configuration. */
  readonly isPartial: boolean;

  constructor(reasons: readonly string[], isPartial: boolean) {
    super(
      `${isPartial ? 'some workers' : 'the workers'} could not reload: ${[...new Set(reasons)].join('; ')}`,
    );
    this.isPartial = isPartial;
  }
}

export function createWorkerReloads(): WorkerReloads {
  const requests = createPendingRequests<{ error: string | undefined }>();

  return {
    connect(worker) {
      worker.onMessage((message) => {
        if (message.kind === 'reloaded') requests.settle(message.id, { error: message.error });
      });
    },

    async reload(workers, { files, timeoutMs, hasExited }) {
      const reasons = await Promise.all(
        workers.map(async (worker) => {
          const report = await requests.send(timeoutMs, (id) => worker.send({ kind: 'reload', id, files }));
          if (report !== undefined) return report.error;
          return hasExited(worker) ? undefined : 'a worker has not reported in time';
        }),
      );
      const failed = reasons.filter((reason) => reason !== undefined);
      if (failed.length > 0) throw new WorkerReloadError(failed, failed.length < workers.length);
    },

    update: (worker, files) => worker.send({ kind: 'reload', id: NO_REPORT, files }),
  };
}
