import { setTimeout as sleep } from 'node:timers/promises';
import type { StreamFixture, MeasuredProxy } from '../../stream-fixture.ts';
import { type MemoryChange, watchMemory } from '../../memory-watch.ts';
import type { EventReport } from '../../workers/browsers.ts';
import { number } from '../../report/quantity.ts';
import { byLength, type Effort } from '../../study.ts';
import { readUsage } from '../../usage.ts';

/** The figures of concurrent event streams. */
export type Events = EventReport & { streams: number; sent: number; cpuMicros: number; memory: MemoryChange };

/** Measures event streams with two events per second each. Lost events are added to `errors`. */
export async function measureEvents(
  { browsers, api }: StreamFixture,
  proxy: MeasuredProxy,
  effort: Effort,
  errors: string[],
): Promise<Events> {
  const { count, rounds } = byLength(effort, {
    quick: { count: 200, rounds: 10 },
    usual: { count: 1000, rounds: 30 },
    long: { count: 1000, rounds: 300 },
  });
  let cpuMicros = 0;
  let opened = 0;
  const { memory } = await watchMemory(proxy.pid, async () => {
    opened = await browsers.ask('openEvents', { ...proxy, count });
    await browsers.ask('events');
    const before = readUsage(proxy.pid).cpuMicros;
    for (let round = 0; round < rounds; round += 1) {
      await api.ask('emit');
      await sleep(500);
    }
    cpuMicros = readUsage(proxy.pid).cpuMicros - before;
  });
  const report = await browsers.ask('events');
  await browsers.ask('disconnect');
  await sleep(500);
  if (opened !== count) errors.push(`${proxy.title}: of ${count} event streams ${opened} were opened`);
  const sent = opened * rounds;
  if (report.received !== sent) errors.push(`${proxy.title}: of ${sent} events arrived ${report.received}`);
  effort.say(`${proxy.title}: ${number(sent)} events over ${number(opened)} streams`);
  return { ...report, streams: opened, sent, cpuMicros, memory };
}
