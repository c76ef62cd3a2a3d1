import type { PeerWorkers, Snapshot } from '../admin/snapshot.ts';
import { withTimeout } from '../concurrency/with-timeout.ts';
import { PEER_SNAPSHOTS_TIMEOUT_MS, WORKER_SNAPSHOT_TIMEOUT_MS } from '../timing.ts';

/** The process at the other end of an IPC channel. */
export type Peer = {
  send(message: Message): void;
  onMessage(listener: (message: Message) => void): void;
};

/**
 * The messages between a worker and the supervisor. A worker requests the snapshots of its peers (`getPeerSnapshots`); the
 * supervisor requests one from each peer (`getSnapshot`, `snapshot`) and returns them all (`peerSnapshots`). `id` pairs a
 * response with its request.
 */
export type Message =
  | { readonly kind: 'listening'; readonly url: string; readonly adminUrl: string }
  | { readonly kind: 'getPeerSnapshots' | 'getSnapshot'; readonly id: number }
  | { readonly kind: 'snapshot'; readonly id: number; readonly snapshot: Snapshot }
  | { readonly kind: 'peerSnapshots'; readonly id: number; readonly snapshots: readonly Snapshot[] };

const kinds: ReadonlySet<unknown> = new Set<Message['kind']>([
  'listening',
  'getPeerSnapshots',
  'getSnapshot',
  'snapshot',
  'peerSnapshots',
]);

/** Distinguishes these messages from others on the same channel. */
export function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && 'kind' in value && kinds.has(value.kind);
}

/** The worker's side: requests the snapshots of its peers, and provides its own once `provide` has been called. */
export function createSnapshotClient(
  supervisor: Peer,
): PeerWorkers & { provide(snapshot: () => Promise<Snapshot>): void } {
  const requests = createPendingRequests<readonly Snapshot[]>([]);
  supervisor.onMessage((message) => {
    if (message.kind === 'peerSnapshots') requests.settle(message.id, message.snapshots);
  });
  return {
    snapshots: () =>
      requests.send(PEER_SNAPSHOTS_TIMEOUT_MS, (id) => supervisor.send({ kind: 'getPeerSnapshots', id })),
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

/** The supervisor's side. `peersOf` returns the other workers that serve at the time of a request. */
export function createSnapshotBroker(peersOf: (worker: Peer) => readonly Peer[]): {
  connect(worker: Peer): void;
} {
  const requests = createPendingRequests<Snapshot | undefined>(undefined);
  const requestSnapshot = (worker: Peer) =>
    requests.send(WORKER_SNAPSHOT_TIMEOUT_MS, (id) => worker.send({ kind: 'getSnapshot', id }));

  return {
    connect(worker) {
      worker.onMessage((message) => {
        if (message.kind === 'snapshot') requests.settle(message.id, message.snapshot);
        if (message.kind !== 'getPeerSnapshots') return;
        void Promise.all(peersOf(worker).map(requestSnapshot)).then((responses) => {
          const snapshots = responses.filter((snapshot) => snapshot !== undefined);
          worker.send({ kind: 'peerSnapshots', id: message.id, snapshots });
        });
      });
    },
  };
}

/** Pairs responses with requests by id. A request that times out gets `fallback`. */
function createPendingRequests<Result>(fallback: Result) {
  const pending = new Map<number, (result: Result) => void>();
  let lastId = 0;
  return {
    settle(id: number, result: Result) {
      pending.get(id)?.(result);
      pending.delete(id);
    },
    async send(timeoutMs: number, sendRequest: (id: number) => void): Promise<Result> {
      const id = (lastId += 1);
      const { promise, resolve } = Promise.withResolvers<Result>();
      pending.set(id, resolve);
      sendRequest(id);
      const result = await withTimeout(promise, timeoutMs);
      pending.delete(id);
      return result ?? fallback;
    },
  };
}
