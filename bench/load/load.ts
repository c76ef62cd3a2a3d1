import { setTimeout as sleep } from 'node:timers/promises';
import { serveWorker } from '../worker-process.ts';
import { quantile } from '../statistics.ts';
import { type Connection, type Outcome, openConnection } from './connection.ts';

/** A load: so many connections, each with one request under way at any time, for a time or for a number of requests. */
export type Load = {
  port: number;
  connections: number;
  /** Sent one after the other, over and over. */
  requests: readonly string[];
  /** The body that every answer must have. */
  expected: string;
} & ({ seconds: number } | { count: number });

/** What came of a load. Nothing that was sent is left out: it was answered well, or it is among the errors. */
export type LoadReport = {
  /** How many requests were answered with 2xx and the right body. */
  answered: number;
  /** How often each other thing happened. */
  errors: Record<string, number>;
  seconds: number;
  /** Of good answers, in milliseconds. */
  p50: number;
  p99: number;
  max: number;
  /** How busy this process was: near 1, it is the load and not the candidate that was measured. */
  busy: number;
};

export type LoadShape = {
  hello: null;
  commands: { run(load: Load): Promise<LoadReport> };
};

/** How long an answer may take before it counts as an error, in milliseconds. */
const RESPONSE_TIMEOUT_MS = 15_000;
/** How long a connection that cannot be opened is left alone, in milliseconds. */
const PAUSE_MS = 20;

async function run(load: Load): Promise<LoadReport> {
  const requests = load.requests.map((text) => Buffer.from(text, 'latin1'));
  const expected = Buffer.from(load.expected);
  const latencies: number[] = [];
  const errors: Record<string, number> = {};
  const note = (outcome: Outcome, latencyMs: number) => {
    if (outcome === 'ok') latencies.push(latencyMs);
    else errors[outcome] = (errors[outcome] ?? 0) + 1;
  };
  const plan = createPlan(load, requests);
  const connections = await Promise.all(
    Array.from({ length: load.connections }, () => openLoadConnection({ port: load.port, expected, note })),
  );

  const before = process.cpuUsage();
  const startedMs = performance.now();
  plan.start(startedMs);
  await Promise.all(connections.map((connection) => connection.drive(plan.next)));
  const elapsedMs = performance.now() - startedMs;
  const { user, system } = process.cpuUsage(before);
  for (const connection of connections) connection.close();

  const sorted = Float64Array.from(latencies).sort();
  return {
    answered: latencies.length,
    errors,
    seconds: elapsedMs / 1000,
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    max: quantile(sorted, 1),
    busy: (user + system) / 1000 / elapsedMs,
  };
}

/** Gives the requests one after the other, and nothing any more when the time or the number is over. */
function createPlan(load: Load, requests: readonly Buffer[]) {
  let taken = 0;
  let endsMs = Infinity;
  const count = 'count' in load ? load.count : Infinity;
  return {
    start: (nowMs: number) => {
      if ('seconds' in load) endsMs = nowMs + load.seconds * 1000;
    },
    next: (): Buffer | undefined => {
      if (taken >= count || performance.now() >= endsMs) return undefined;
      return requests[taken++ % requests.length];
    },
  };
}

/** A place for one request at a time, with a connection that is opened again when it ends. */
async function openLoadConnection(options: {
  port: number;
  expected: Buffer;
  note: (outcome: Outcome, latencyMs: number) => void;
}) {
  const { port, expected, note } = options;
  let connection: Connection | undefined;
  let settle: (outcome: Outcome) => void = () => undefined;
  const open = async () => {
    connection = await openConnection({
      port,
      expected,
      onOutcome: (outcome) => settle(outcome),
      onEnd: () => (connection = undefined),
    });
    return connection;
  };
  await open();

  return {
    close: () => connection?.close(),

    /** Sends what `next` gives until it gives nothing more. No promise stands between answer and request: they cost. */
    drive: (next: () => Buffer | undefined) =>
      new Promise<void>((resolve) => {
        let sentMs = Infinity;
        const watch = setInterval(() => {
          if (performance.now() - sentMs < RESPONSE_TIMEOUT_MS) return;
          connection?.close();
          connection = undefined;
          settle('no response');
        }, 1000);
        const take = () => {
          const request = next();
          if (request === undefined) {
            clearInterval(watch);
            resolve();
          } else if (connection === undefined) void reopen(request);
          else send(connection, request);
        };
        const send = (open: Connection, request: Buffer) => {
          sentMs = performance.now();
          open.send(request);
        };
        const reopen = async (request: Buffer) => {
          try {
            send(await open(), request);
          } catch (error) {
            note(error instanceof Error ? error.message : 'no connection', 0);
            await sleep(PAUSE_MS);
            take();
          }
        };
        settle = (outcome) => {
          note(outcome, performance.now() - sentMs);
          sentMs = Infinity;
          // A connection that ends says so after the outcome.
          if (outcome === 'ok') take();
          else setImmediate(take);
        };
        take();
      }),
  };
}

serveWorker(null, { run });
