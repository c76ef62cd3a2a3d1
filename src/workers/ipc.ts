import { addPastCounters } from '../admin/past-counters.ts';
import type { PeerSnapshots, PeerWorkers, Snapshot } from '../admin/snapshot.ts';
import type { FileTexts } from '../config/sources.ts';
import { withTimeout } from '../concurrency/with-timeout.ts';
import { PEER_SNAPSHOTS_TIMEOUT_MS, WORKER_SNAPSHOT_TIMEOUT_MS } from '../timing.ts';

/** The process at the other end of an IPC channel. */
export type Peer = {
  send(message: Message): void;
  onMessage(listener: (message: Message) => void): void;
};

/**
 * The configuration files as the supervisor has read them: at its start, where keys that need a restart are read, and last
 * when they were valid.
 */
export type ConfigFiles = { readonly file: string; readonly initial: FileTexts; readonly current: FileTexts };

/**
 * The messages between a worker and the supervisor. A worker exchanges its snapshot for those of its peers
 * (`collectSnapshots`); the supervisor requests one from each peer (`getSnapshot`, `snapshot`) and returns them all
 * (`peerSnapshots`). `id` pairs a response with its request. A worker responds to each `ping` at once, unless it hangs. It asks
 * for the files to start with (`getFiles`) and reloads with those it is sent (`reload`), so that all workers have the same
 * configuration, and a new one that of the others; it reports how each reload ended (`reloaded`, with an `error` if it failed); it
 * counts a reload whose files were invalid (`reloadFailed`).
 *
 * SECURITY: the files may hold secrets. The channel is a socket pair between two processes of the same user.
 */
export type Message =
  | { readonly kind: 'listening'; readonly url: string; readonly adminUrl: string }
  | { readonly kind: 'getFiles' | 'ping' | 'pong' | 'reloadFailed' }
  | { readonly kind: 'start'; readonly files: ConfigFiles }
  | { readonly kind: 'reload'; readonly id: number; readonly files: ConfigFiles }
  | { readonly kind: 'reloaded'; readonly id: number; readonly error?: string }
  | { readonly kind: 'getSnapshot'; readonly id: number }
  | { readonly kind: 'snapshot'; readonly id: number; readonly snapshot: Snapshot }
  | { readonly kind: 'collectSnapshots'; readonly id: number; readonly metrics: Snapshot['metrics'] }
  | { readonly kind: 'peerSnapshots'; readonly id: number; readonly peers: PeerSnapshots };

const kinds: ReadonlySet<unknown> = new Set<Message['kind']>([
  'listening',
  'getFiles',
  'start',
  'reload',
  'reloaded',
  'reloadFailed',
  'ping',
  'pong',
  'getSnapshot',
  'collectSnapshots',
  'snapshot',
  'peerSnapshots',
]);

/** Distinguishes these messages from others on the same channel. */
export function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && 'kind' in value && kinds.has(value.kind);
}

/** The worker's side: exchanges snapshots with its peers, and provides its own once `provide` has been called. */
export function createSnapshotClient(
  supervisor: Peer,
  workerCount: number,
): PeerWorkers & { provide(snapshot: () => Promise<Snapshot>): void } {
  const requests = createPendingRequests<PeerSnapshots>();
  supervisor.onMessage((message) => {
    if (message.kind === 'peerSnapshots') requests.settle(message.id, message.peers);
    if (message.kind === 'ping') supervisor.send({ kind: 'pong' });
  });
  return {
    async collectSnapshots(metrics, reader) {
      const peers = await requests.send(PEER_SNAPSHOTS_TIMEOUT_MS[reader], (id) =>
        supervisor.send({ kind: 'collectSnapshots', id, metrics }),
      );
      return peers ?? { snapshots: [], responding: 0, missing: workerCount - 1, hasCounts: false };
    },
    provide(takeSnapshot) {
      supervisor.onMessage((message) => {
        if (message.kind !== 'getSnapshot') return;
        void takeSnapshot().then((snapshot) =>
          supervisor.send({ kind: 'snapshot', id: message.id, snapshot }),
        );
      });
    },
  };
}

/** The supervisor's side. */
export type SnapshotBroker = {
  /** Serves a new worker. */
  connect(worker: Peer): void;
  /** Keeps the last known counts of a worker that has exited, so that no counter ever decreases. */
  retire(worker: Peer): void;
};

export function createSnapshotBroker(deps: {
  /** Returns the other workers that serve at the time of a request. */
  peersOf: (worker: Peer) => readonly Peer[];
  /** Returns how many workers there should be; those that do not serve yet, or no longer, are missing. */
  workerCount: () => number;
}): SnapshotBroker {
  const { peersOf, workerCount } = deps;
  const requests = createPendingRequests<Snapshot>();
  /** The newest metrics of each worker that runs. */
  const newest = new Map<Peer, Snapshot['metrics']>();
  let past: Snapshot['metrics'] = [];

  const record = (worker: Peer, metrics: Snapshot['metrics']) => {
    if (newest.has(worker)) newest.set(worker, metrics);
  };
  const requestSnapshot = async (peer: Peer) => {
    const snapshot = await requests.send(WORKER_SNAPSHOT_TIMEOUT_MS, (id) =>
      peer.send({ kind: 'getSnapshot', id }),
    );
    return { peer, snapshot };
  };
  const collect = async (requester: Peer): Promise<PeerSnapshots> => {
    const responses = await Promise.all(peersOf(requester).map(requestSnapshot));
    // The counts of a worker that has exited meanwhile are among the past ones.
    const running = responses.filter(({ peer }) => newest.has(peer));
    const snapshots = running.map(
      ({ peer, snapshot }) => snapshot ?? { checks: [], metrics: newest.get(peer) ?? [] },
    );
    const responding = running.filter(({ snapshot }) => snapshot !== undefined).length;
    const missing = Math.max(0, workerCount() - 1 - responding);
    return {
      snapshots: [...snapshots, { checks: [], metrics: past }],
      responding,
      missing,
      hasCounts: true,
    };
  };

  return {
    connect(worker) {
      newest.set(worker, []);
      worker.onMessage((message) => {
        if (message.kind === 'snapshot') {
          record(worker, message.snapshot.metrics);
          requests.settle(message.id, message.snapshot);
        }
        if (message.kind === 'collectSnapshots') {
          record(worker, message.metrics);
          void collect(worker).then((peers) => worker.send({ kind: 'peerSnapshots', id: message.id, peers }));
        }
      });
    },
    retire(worker) {
      past = addPastCounters(past, newest.get(worker) ?? []);
      newest.delete(worker);
    },
  };
}

/** Pairs responses with requests by id. A request that times out gets undefined. */
export function createPendingRequests<Result>() {
  const pending = new Map<number, (result: Result) => void>();
  let lastId = 0;
  return {
    settle(id: number, result: Result) {
      pending.get(id)?.(result);
      pending.delete(id);
    },
    async send(timeoutMs: number, sendRequest: (id: number) => void): Promise<Result | undefined> {
      const id = (lastId += 1);
      const { promise, resolve } = Promise.withResolvers<Result>();
      pending.set(id, resolve);
      sendRequest(id);
      const result = await withTimeout(promise, timeoutMs);
      pending.delete(id);
      return result;
    },
  };
}
