import { withTimeout } from '../concurrency/with-timeout.ts';
import type { PeerWorkers, Snapshot } from '../admin/snapshot.ts';

/** Another process, at the other end of an IPC channel. */
export type Peer = {
  send(message: Message): void;
  onMessage(listener: (message: Message) => void): void;
};

/**
 * What goes between a worker and its supervisor: a worker asks for all the others (`call`), each of them is asked
 * (`question`) and answers, and the one that had asked is told (`result`).
 */
export type Message =
  | { readonly kind: 'listening'; readonly url: string; readonly adminUrl: string }
  | { readonly kind: 'call' | 'question'; readonly id: number }
  | { readonly kind: 'answer'; readonly id: number; readonly snapshot: Snapshot }
  | { readonly kind: 'result'; readonly id: number; readonly snapshots: readonly Snapshot[] };

/** How long the others may take, in milliseconds: longer than their checks, and shorter than the patience of a probe. */
const PATIENCE_MS = 800;

const kinds: ReadonlySet<unknown> = new Set<Message['kind']>([
  'listening',
  'call',
  'question',
  'answer',
  'result',
]);

/** Tells our messages from others on the same channel. */
export function isMessage(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && 'kind' in value && kinds.has(value.kind);
}

/** A worker's side: it can ask for the others, and once it can speak for itself it answers. */
export function createSnapshotClient(
  supervisor: Peer,
): PeerWorkers & { answerWith(own: () => Promise<Snapshot>): void } {
  const calls = createPending<readonly Snapshot[]>([]);
  supervisor.onMessage((message) => {
    if (message.kind === 'result') calls.settle(message.id, message.snapshots);
  });
  return {
    snapshots: () => calls.open(PATIENCE_MS, (id) => supervisor.send({ kind: 'call', id })),
    answerWith(own) {
      supervisor.onMessage((message) => {
        if (message.kind !== 'question') return;
        void own().then((snapshot) => supervisor.send({ kind: 'answer', id: message.id, snapshot }));
      });
    },
  };
}

/** The supervisor's side. `others` gives those that serve beside a worker, at the time it asks. */
export function createSnapshotBroker(others: (worker: Peer) => readonly Peer[]): {
  connect(worker: Peer): void;
} {
  const questions = createPending<Snapshot | undefined>(undefined);
  const ask = (worker: Peer) =>
    questions.open(PATIENCE_MS * 0.75, (id) => worker.send({ kind: 'question', id }));

  return {
    connect(worker) {
      worker.onMessage((message) => {
        if (message.kind === 'answer') questions.settle(message.id, message.snapshot);
        if (message.kind !== 'call') return;
        void Promise.all(others(worker).map(ask)).then((answers) => {
          const snapshots = answers.filter((answer) => answer !== undefined);
          worker.send({ kind: 'result', id: message.id, snapshots });
        });
      });
    },
  };
}

/** Answers awaited by number; one that does not come in time is `missing`. */
function createPending<Answer>(missing: Answer) {
  const waiting = new Map<number, (answer: Answer) => void>();
  let last = 0;
  const settle = (id: number, answer: Answer) => {
    waiting.get(id)?.(answer);
    waiting.delete(id);
  };
  return {
    settle,
    async open(patienceMs: number, ask: (id: number) => void): Promise<Answer> {
      const id = (last += 1);
      const { promise, resolve } = Promise.withResolvers<Answer>();
      waiting.set(id, resolve);
      ask(id);
      const answer = await withTimeout(promise, patienceMs);
      waiting.delete(id);
      return answer ?? missing;
    },
  };
}
