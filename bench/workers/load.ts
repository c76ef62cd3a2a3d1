import { setTimeout as sleep } from 'node:timers/promises';
import { quantile } from '../statistics.ts';
import { serveWorker } from '../worker-process.ts';
import { RESPONSE_BODY } from '../workload.ts';
import { type Connection, type Outcome, openConnection } from './connection.ts';

/** A load: a number of connections with one request in flight each, for some seconds or some number of requests. */
export type Load = {
  port: number;
  connections: number;
  /** Sent in order, repeatedly. */
  requests: readonly string[];
  /** The body of every response; that of the benchmark's API by default. */
  expected?: string;
} & ({ seconds: number } | { count: number });

/** The result of a load. Every sent request counts as succeeded or as an error. */
export type LoadReport = {
  /** How many requests got a 2xx and the right body. */
  succeeded: number;
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

export type LoadShape = { ready: null; commands: { run(load: Load): Promise<LoadReport> } };

type RecordOutcome = (outcome: Outcome, latencyMs: number) => void;

/** After this time without a response, a request counts as an error. */
const RESPONSE_TIMEOUT_MS = 15_000;
/** The pause before a failed connection is opened again, in milliseconds. */
const PAUSE_MS = 20;

async function run(load: Load): Promise<LoadReport> {
  const requests = load.requests.map((text) => Buffer.from(text, 'latin1'));
  const expected = Buffer.from(load.expected ?? RESPONSE_BODY);
  const latencies: number[] = [];
  const errors: Record<string, number> = {};
  const record: RecordOutcome = (outcome, latencyMs) => {
    if (outcome === 'ok') latencies.push(latencyMs);
    else errors[outcome] = (errors[outcome] ?? 0) + 1;
  };
  const connections = await Promise.all(
    Array.from({ length: load.connections }, () => openLoadConnection(load.port, expected, record)),
  );

  const before = process.cpuUsage();
  const startedMs = performance.now();
  const count = 'count' in load ? load.count : Infinity;
  const endsMs = 'seconds' in load ? startedMs + load.seconds * 1000 : Infinity;
  let taken = 0;
  const next = () =>
    taken < count && performance.now() < endsMs ? requests[taken++ % requests.length] : undefined;
  await Promise.all(connections.map((connection) => connection.drive(next)));
  const elapsedMs = performance.now() - startedMs;
  const { user, system } = process.cpuUsage(before);
  for (const connection of connections) connection.close();

  const sorted = Float64Array.from(latencies).sort();
  return {
    succeeded: latencies.length,
    errors,
    seconds: elapsedMs / 1000,
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    max: quantile(sorted, 1),
    busy: (user + system) / 1000 / elapsedMs,
  };
}

/** Sends one request at a time and reopens its connection when that ends. */
async function openLoadConnection(port: number, expected: Buffer, record: RecordOutcome) {
  let connection: Connection | undefined;
  let settle: (outcome: Outcome) => void = () => undefined;
  const open = async () => {
    const onOutcome = (outcome: Outcome) => settle(outcome);
    const onEnd = () => (connection = undefined);
    connection = await openConnection({ port, expected, onOutcome, onEnd });
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
        const send = (to: Connection, request: Buffer) => {
          sentMs = performance.now();
          to.send(request);
        };
        const take = () => {
          const request = next();
          if (request === undefined) {
            clearInterval(watch);
            resolve();
          } else if (connection === undefined) void reopen(request);
          else send(connection, request);
        };
        const reopen = async (request: Buffer) => {
          try {
            send(await open(), request);
          } catch (error) {
            record(error instanceof Error ? error.message : 'no connection', 0);
            await sleep(PAUSE_MS);
            take();
          }
        };
        settle = (outcome) => {
          record(outcome, performance.now() - sentMs);
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
