import { setTimeout as sleep } from 'node:timers/promises';
import type { StreamFixture, MeasuredProxy } from '../../stream-fixture.ts';
import { median } from '../../statistics.ts';
import { byLength, type Effort } from '../../study.ts';
import { RESPONSE_BODY, requestText } from '../../workload.ts';

/** Requests of other clients while slow clients hardly read their responses. */
export type SlowReaders = {
  count: number;
  /** The bytes of a large response that the API could send meanwhile; backpressure holds the rest back. */
  sentBytes: number;
  p99Ms: { without: number; withSlowReaders: number };
  ratio: number;
};

/** Far more than all buffers on the path can hold. */
export const SLOW_BYTES = 1024 ** 3;

/** Measures requests without and with slow readers, alternately. */
export async function measureSlowReaders(
  { browsers, api, load }: StreamFixture,
  proxy: MeasuredProxy,
  effort: Effort,
  errors: string[],
): Promise<SlowReaders> {
  const { rounds, seconds, count } = byLength(effort, {
    quick: { rounds: 3, seconds: 2, count: 16 },
    usual: { rounds: 7, seconds: 4, count: 16 },
    long: { rounds: 15, seconds: 10, count: 64 },
  });
  const measure = async () => {
    const requests = [requestText('GET', proxy)];
    const report = await load.ask('run', {
      port: proxy.port,
      connections: 8,
      requests,
      expected: RESPONSE_BODY,
      seconds,
    });
    for (const [what, times] of Object.entries(report.errors)) {
      errors.push(`${proxy.title}, with slow readers: ${times} × ${what}`);
    }
    return report.p99;
  };
  const without: number[] = [];
  const withSlowReaders: number[] = [];
  let sent: number[] = [];
  await measure();
  await api.ask('sentBytes');
  for (let round = 0; round < rounds; round += 1) {
    without.push(await measure());
    const begun = await browsers.ask('readSlowly', { ...proxy, count, bytes: SLOW_BYTES });
    if (begun !== count) errors.push(`${proxy.title}: of ${count} slow readers ${begun} had a response`);
    // Wait until every buffer on the path is full.
    await sleep(2000);
    withSlowReaders.push(await measure());
    sent = await api.ask('sentBytes');
    await browsers.ask('disconnect');
    await sleep(500);
  }
  effort.say(`${proxy.title}: p99 with slow readers ${median(withSlowReaders).toFixed(2)} ms`);
  return {
    count,
    sentBytes: Math.max(...sent),
    p99Ms: { without: median(without), withSlowReaders: median(withSlowReaders) },
    ratio: median(withSlowReaders.map((ms, round) => ms / (without[round] ?? NaN))),
  };
}
