import { figure, memory, number } from '../report/report.ts';
import { openStreamProxies } from '../stream-proxies.ts';
import { byLength, type Study } from '../study.ts';
import { readUsage, watchMemory } from '../usage.ts';

/** Size of a warm-up body, so that first-time allocations do not count as growth. */
const FIRST_BYTES = 64 * 1024 ** 2;

/** Measures the memory and the CPU time of a large body in each direction. */
export const streams: Study = {
  title: 'Large bodies in constant memory',
  cases: [],

  async measure(fixture, effort) {
    const bytes = byLength(effort, { quick: 256, usual: 1024, long: 4096 }) * 1024 ** 2;
    const { clients, proxies } = await openStreamProxies(fixture);
    const errors: string[] = [];
    const rows: string[][] = [];
    for (const what of ['download', 'upload'] as const) {
      let floor: { cpuMicros: number; seconds: number } | undefined;
      for (const { title, ...proxy } of proxies) {
        await clients.ask(what, { ...proxy, bytes: FIRST_BYTES });
        const before = readUsage(proxy.pid).cpuMicros;
        const startedMs = performance.now();
        const { result, memory: change } = await watchMemory(proxy.pid, () =>
          clients.ask(what, { ...proxy, bytes }),
        );
        const seconds = (performance.now() - startedMs) / 1000;
        const cpuMicros = readUsage(proxy.pid).cpuMicros - before;
        if (result !== bytes) errors.push(`${title}: of ${bytes} bytes of a ${what} arrived ${result}`);
        floor ??= { cpuMicros, seconds };
        const grown = change.peak - change.before;
        rows.push([
          `${title}, ${what}`,
          memory(grown, 'MB', 0, grown / bytes),
          figure(cpuMicros / 1e6, 's', 2, cpuMicros / floor.cpuMicros),
          memory(bytes / seconds, 'MB', 0, floor.seconds / seconds).replace(' MB', ' MB/s'),
        ]);
        effort.say(`${title}: ${what}, memory grew by ${number(grown / 1024 ** 2)} MB`);
      }
    }
    return {
      tables: [
        {
          title: `A body of ${number(bytes / 1024 ** 2)} MB (in brackets: relative to the body, and to http-proxy-middleware)`,
          columns: ['', 'memory growth', 'CPU', 'rate'],
          rows,
        },
      ],
      statements: [],
      errors,
    };
  },
};
