import { beforeEach, describe, expect, it, vi } from 'vitest';
import { mergeMetrics, scrapedSnapshots, type Snapshot } from '../../../src/admin/snapshot.ts';
import { createMetrics, type Metrics } from '../../../src/observability/metrics.ts';
import { startHeartbeat } from '../../../src/workers/heartbeat.ts';
import {
  createSnapshotBroker,
  createSnapshotClient,
  type Message,
  type Peer,
} from '../../../src/workers/ipc.ts';
import { HEARTBEAT, PEER_SNAPSHOTS_TIMEOUT_MS } from '../../../src/timing.ts';

/** Both ends of a channel, over which messages travel as copies, `lagMs` later. A closed channel loses them. */
function createChannel() {
  const listeners: { worker: ((message: Message) => void)[]; supervisor: ((message: Message) => void)[] } = {
    worker: [],
    supervisor: [],
  };
  const channel = { isOpen: true, lagMs: 0 };
  const end = (own: keyof typeof listeners, other: keyof typeof listeners): Peer => ({
    send(message) {
      if (!channel.isOpen) return;
      const copy = structuredClone(message);
      const arrive = () => listeners[other].forEach((listener) => listener(copy));
      if (channel.lagMs === 0) queueMicrotask(arrive);
      else setTimeout(arrive, channel.lagMs);
    },
    onMessage: (listener) => void listeners[own].push(listener),
  });
  return Object.assign(channel, {
    supervisorSide: end('supervisor', 'worker'),
    workerSide: end('worker', 'supervisor'),
  });
}

const plain = async (metrics: Metrics): Promise<Snapshot['metrics']> =>
  JSON.parse(JSON.stringify(await metrics.registry.getMetricsAsJSON())) as Snapshot['metrics'];

function openReplica() {
  const workers = new Map<Peer, ReturnType<typeof startWorker>>();
  let starting = 0;
  const broker = createSnapshotBroker({
    peersOf: (requester) => [...workers.keys()].filter((peer) => peer !== requester),
    workerCount: () => workers.size + starting,
  });
  const startWorker = () => {
    const channel = createChannel();
    const metrics = createMetrics();
    const client = createSnapshotClient(channel.workerSide, 2);
    client.provide(async () => ({
      checks: [{ name: 'store', ok: true, detail: '' }],
      metrics: await plain(metrics),
    }));
    broker.connect(channel.supervisorSide);
    const worker = {
      metrics,
      hang: () => void (channel.isOpen = false),
      lag: (ms: number) => void (channel.lagMs = ms),
      end() {
        channel.isOpen = false;
        workers.delete(channel.supervisorSide);
        broker.retire(channel.supervisorSide);
      },
      async scrape() {
        const own = await plain(metrics);
        const peers = await client.collectSnapshots(own, 'scrape');
        const text = await mergeMetrics(scrapedSnapshots({ own: { checks: [], metrics: own }, peers }));
        return { peers, started: Number(/^coatcheck_sessions_started_total (\d+)$/m.exec(text)?.[1]), text };
      },
    };
    workers.set(channel.supervisorSide, worker);
    return worker;
  };
  return { startWorker, startWithoutServing: () => void (starting += 1) };
}

/** Advances the fake clock until the result is there. */
async function inFakeTime<Result>(promise: Promise<Result>): Promise<Result> {
  let isOver = false;
  const settled = promise.finally(() => (isOver = true));
  while (!isOver) await vi.advanceTimersByTimeAsync(100);
  return settled;
}

beforeEach(() => void vi.useFakeTimers({ shouldAdvanceTime: true }));

describe('the metrics of a replica with workers', () => {
  it('sum the counts of all workers, whichever receives the request', async () => {
    const { startWorker } = openReplica();
    const [one, two] = [startWorker(), startWorker()];
    for (let n = 0; n < 3; n += 1) one.metrics.sessionStarted();
    two.metrics.sessionStarted();
    expect([(await one.scrape()).started, (await two.scrape()).started]).toEqual([4, 4]);
    expect((await one.scrape()).peers).toMatchObject({ responding: 1, missing: 0 });
  });

  it.each(['the worker that was asked', 'another worker'])('do not decrease when %s exits', async (which) => {
    const { startWorker } = openReplica();
    const [asked, other] = [startWorker(), startWorker()];
    for (let n = 0; n < 62; n += 1) asked.metrics.sessionStarted();
    for (let n = 0; n < 61; n += 1) other.metrics.sessionStarted();
    asked.metrics.request('api', 'GET', 200, 0.02);
    other.metrics.request('api', 'GET', 200, 0.02);
    expect((await asked.scrape()).started).toBe(123);
    const [gone, left] = which === 'another worker' ? [other, asked] : [asked, other];
    gone.end();
    expect((await left.scrape()).started).toBe(123);
    const replacement = startWorker();
    replacement.metrics.sessionStarted();
    const { started, text, peers } = await replacement.scrape();
    expect(started).toBe(124);
    expect(peers).toMatchObject({ responding: 1, missing: 0 });
    expect(text).toContain('coatcheck_http_requests_total{route="api",method="GET",status="200"} 2');
    expect(text).toContain('coatcheck_http_request_duration_seconds_count{route="api"} 2');
    expect(text).toContain('coatcheck_http_request_duration_seconds_bucket{le="0.025",route="api"} 2');
  });

  it('sum the counts of many exited workers and none of their gauges', async () => {
    const { startWorker } = openReplica();
    const last = startWorker();
    for (let n = 0; n < 5; n += 1) {
      const worker = startWorker();
      worker.metrics.sessionStarted();
      worker.metrics.storeUp(1);
      await last.scrape();
      worker.end();
    }
    const { started, text } = await last.scrape();
    expect(started).toBe(5);
    expect(text).toMatch(/^coatcheck_store_up 0$/m);
  });

  it('keep the last known counts of a worker that hangs, and state that one is missing', async () => {
    const { startWorker } = openReplica();
    const [one, two] = [startWorker(), startWorker()];
    two.metrics.sessionStarted();
    expect((await one.scrape()).started).toBe(1);
    two.hang();
    const { started, peers } = await one.scrape();
    expect(started).toBe(1);
    expect(peers).toMatchObject({ responding: 0, missing: 1 });
  });

  it('state that a worker is missing while it does not serve yet', async () => {
    const { startWorker, startWithoutServing } = openReplica();
    const [one] = [startWorker(), startWorker()];
    startWithoutServing();
    expect((await one.scrape()).peers).toMatchObject({ responding: 1, missing: 1 });
  });

  it('lack every count without the supervisor, and state that all other workers are missing', async () => {
    const { startWorker } = openReplica();
    const [worker] = [startWorker(), startWorker()];
    worker.metrics.sessionStarted();
    worker.metrics.storeUp(1);
    worker.hang();
    const { peers, text } = await inFakeTime(worker.scrape());
    expect(peers).toMatchObject({ responding: 0, missing: 1 });
    expect(text).toMatch(/^coatcheck_store_up 1$/m);
    expect(text).not.toMatch(/^# TYPE \S+ (?:counter|histogram)$/m);
  });

  it('are complete when the supervisor takes longer than a probe waits', async () => {
    const { startWorker } = openReplica();
    const [one, two] = [startWorker(), startWorker()];
    two.metrics.sessionStarted();
    one.lag(PEER_SNAPSHOTS_TIMEOUT_MS.probe);
    const scraped = await inFakeTime(one.scrape());
    expect(scraped).toMatchObject({ started: 1, peers: { responding: 1, missing: 0 } });
  });
});

describe('the heartbeat of the supervisor', () => {
  const open = () => {
    const channel = createChannel();
    createSnapshotClient(channel.workerSide, 1);
    const onHang = vi.fn();
    return { channel, onHang, heartbeat: startHeartbeat(channel.supervisorSide, onHang) };
  };
  const intervals = (count: number) => vi.advanceTimersByTimeAsync(count * HEARTBEAT.intervalMs);

  it('reports nothing while a worker responds', async () => {
    const { onHang, heartbeat } = open();
    await intervals(50);
    heartbeat.stop();
    expect(onHang).not.toHaveBeenCalled();
  });

  it('reports a worker once when it stops responding', async () => {
    const { channel, onHang } = open();
    await intervals(10);
    channel.isOpen = false;
    await intervals(HEARTBEAT.unanswered);
    expect(onHang).not.toHaveBeenCalled();
    await intervals(20);
    expect(onHang).toHaveBeenCalledOnce();
  });

  it('reports nothing about a worker that responds again in time', async () => {
    const { channel, onHang, heartbeat } = open();
    for (let pause = 0; pause < 5; pause += 1) {
      channel.isOpen = false;
      await intervals(HEARTBEAT.unanswered - 1);
      channel.isOpen = true;
      await intervals(1);
    }
    heartbeat.stop();
    expect(onHang).not.toHaveBeenCalled();
  });
});
