import { setTimeout as sleep } from 'node:timers/promises';
import { figure, memory, number } from '../report/report.ts';
import { openStreamProxies } from '../stream-proxies.ts';
import { byLength, type Study } from '../study.ts';
import { readUsage, watchMemory } from '../usage.ts';

/** Measures the cost of idle WebSockets. */
export const sockets: Study = {
  title: 'Idle WebSockets: memory, and the CPU time to open one',
  cases: [],

  async measure(fixture, effort) {
    const count = byLength(effort, { quick: 1000, usual: 5000, long: 5000 });
    const { clients, proxies } = await openStreamProxies(fixture);
    const figures: { title: string; open: number; bytesEach: number; cpuMicrosEach: number }[] = [];
    for (const { title, ...proxy } of proxies) {
      // Warm up: the first sockets cost more than later ones.
      await clients.ask('openSockets', { ...proxy, count: 200 });
      await clients.ask('disconnect');
      await sleep(1000);
      const before = readUsage(proxy.pid).cpuMicros;
      const { result: open, memory: change } = await watchMemory(proxy.pid, async () => {
        const opened = await clients.ask('openSockets', { ...proxy, count });
        await sleep(3000);
        return opened;
      });
      figures.push({
        title,
        open,
        bytesEach: (change.after - change.before) / open,
        cpuMicrosEach: (readUsage(proxy.pid).cpuMicros - before) / open,
      });
      await clients.ask('disconnect');
      effort.say(`${title}: ${number(count)} WebSockets`);
      await sleep(1000);
    }
    const [floor] = figures;
    return {
      tables: [
        {
          title: 'Idle WebSockets (in brackets: relative to http-proxy-middleware)',
          columns: ['', 'open', 'memory each', 'CPU to open one'],
          rows: figures.map(({ title, open, bytesEach, cpuMicrosEach }) => [
            title,
            number(open),
            memory(bytesEach, 'kB', 1, bytesEach / (floor?.bytesEach ?? NaN)),
            figure(cpuMicrosEach, 'µs', 0, cpuMicrosEach / (floor?.cpuMicrosEach ?? NaN)),
          ]),
        },
      ],
      statements: [],
      errors: figures
        .filter(({ open }) => open !== count)
        .map(({ title, open }) => `${title}: of ${count} WebSockets ${open} were opened`),
    };
  },
};
