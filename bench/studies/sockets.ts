import { setTimeout as sleep } from 'node:timers/promises';
import { openStreamFixture } from '../stream-fixture.ts';
import { watchMemory } from '../memory-watch.ts';
import { kilobytes, number, quantity, withRatio } from '../report/quantity.ts';
import type { Report } from '../report/report.ts';
import { byLength, type Study } from '../study.ts';
import { readUsage } from '../usage.ts';

/** The cost of idle WebSockets. */
type Idle = { title: string; count: number; bytesEach: number; cpuMicrosEach: number };
type SocketFigures = { figures: Idle[]; errors: string[] };

/** Measures the cost of idle WebSockets. */
export const sockets: Study<SocketFigures> = {
  title: 'Idle WebSockets: memory, and the CPU time to open one',
  cases: [],

  async measure(effort) {
    const count = byLength(effort, { quick: 1000, usual: 5000, long: 5000 });
    const fixture = await openStreamFixture(effort.cleanup);
    try {
      const figures: Idle[] = [];
      const errors: string[] = [];
      for (const proxy of fixture.proxies) {
        const { pid, title } = proxy;
        const { browsers } = fixture;
        // Warm up: the first sockets cost more than later ones.
        await browsers.ask('openSockets', { ...proxy, count: 200 });
        await browsers.ask('disconnect');
        await sleep(1000);
        const before = readUsage(pid).cpuMicros;
        const { result: open, memory } = await watchMemory(pid, async () => {
          const opened = await browsers.ask('openSockets', { ...proxy, count });
          await sleep(3000);
          return opened;
        });
        if (open !== count) errors.push(`${title}: of ${count} WebSockets ${open} were opened`);
        figures.push({
          title,
          count: open,
          bytesEach: (memory.after - memory.before) / open,
          cpuMicrosEach: (readUsage(pid).cpuMicros - before) / open,
        });
        await browsers.ask('disconnect');
        effort.say(`${title}: ${number(count)} WebSockets`);
        await sleep(1000);
      }
      return { figures, errors };
    } finally {
      await fixture.close();
    }
  },

  report({ figures, errors }): Report {
    const [floor] = figures;
    return {
      tables: [
        {
          title: 'Idle WebSockets (in brackets: relative to http-proxy-middleware)',
          columns: ['', 'open', 'memory each', 'CPU to open one'],
          rows: figures.map((one) => [
            one.title,
            number(one.count),
            withRatio(kilobytes(one.bytesEach), one.bytesEach / (floor?.bytesEach ?? NaN)),
            withRatio(quantity(one.cpuMicrosEach, 'µs'), one.cpuMicrosEach / (floor?.cpuMicrosEach ?? NaN)),
          ]),
        },
      ],
      statements: [],
      errors,
    };
  },
};
