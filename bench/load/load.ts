import { setTimeout as sleep } from 'node:timers/promises';
import { serveWorker } from '../worker-process.ts';
import { quantile } from '../statistics.ts';
import { type Connection, type Outcome, openConnection } from './connection.ts';

/** A load: a number of connections with one request in flight each, for some seconds or some number of requests. */
export type Load = {
  port: number;
  connections: number;
  /** Sent in order, repeatedly. */
  requests: readonly string[];
  /** The expected body of every response. */
  expected: string;
} & ({ seconds: number } | { count: number });

/** The result of a load. Every sent request counts as answered or as an error. */
export type LoadReport = {
  /** How many requests were answered with 2xx and the right body. */
  answered: number;
  /** How often each error happened. */
  errors: Record<string, number>;
  seconds: number;
  /** Latency of good responses, in milliseconds. */
  p50: number;
  p99: number;
  max: number;
  /** CPU utilization of this process: near 1, the load generator was the bottleneck. */
  busy: number;
};

export type LoadShape = {
  ready: null;
  commands: { run(load: Load): Promise<LoadReport> };
};

/** After this time without a response, a request counts as an error. */
const RESPONSE_TIMEOUT_MS = 15_000;
/** The pause before a failed connection is opened again, in milliseconds. */
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

/** Returns the requests in order, and undefined once the time or the count is used up. */
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

/** Sends one request at a time and reopens its connection when that ends. */
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

    /** Sends requests until `next` returns undefined. No promise per request: it would cost CPU time. */
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
          // `onEnd` comes after the outcome.
          if (outcome === 'ok') take();
          else setImmediate(take);
        };
        take();
      }),
  };
}

serveWorker(null, { run });
