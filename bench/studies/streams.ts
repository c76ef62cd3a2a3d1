import { openStreamFixture } from '../stream-fixture.ts';
import { kilobytes, megabytes, number, quantity, times, withRatio } from '../report/quantity.ts';
import type { Report } from '../report/report.ts';
import { byLength, type Study } from '../study.ts';
import { type LargeBody, measureLargeBodies } from './streams/large-bodies.ts';
import { type SlowReaders, measureSlowReaders, SLOW_BYTES } from './streams/slow-readers.ts';
import { type Events, measureEvents } from './streams/events.ts';

/** The figures of one proxy. */
type Figures = { title: string; largeBodies: LargeBody[]; events: Events; slowReaders: SlowReaders };
/** The figures of both proxies. */
type StreamFigures = { bytes: number; figures: Figures[]; errors: string[] };

/** Measures the cost of streams and their effect on other requests. */
export const streams: Study<StreamFigures> = {
  title: 'Large bodies in constant memory, event streams, and slow readers',
  cases: [],

  async measure(effort) {
    const bytes = byLength(effort, { quick: 256, usual: 1024, long: 4096 }) * 1024 ** 2;
    const fixture = await openStreamFixture(effort.cleanup);
    try {
      const errors: string[] = [];
      const figures: Figures[] = [];
      for (const proxy of fixture.proxies) {
        figures.push({
          title: proxy.title,
          largeBodies: await measureLargeBodies(fixture, proxy, bytes, effort, errors),
          events: await measureEvents(fixture, proxy, effort, errors),
          slowReaders: await measureSlowReaders(fixture, proxy, effort, errors),
        });
      }
      return { bytes, figures, errors };
    } finally {
      await fixture.close();
    }
  },

  report({ bytes, figures, errors }): Report {
    const [floor] = figures;
    return {
      tables: [
        {
          title: `A body of ${megabytes(bytes)} (in brackets: relative to the body, and to http-proxy-middleware)`,
          columns: ['', 'memory growth', 'CPU', 'rate'],
          rows: figures.flatMap(({ title, largeBodies }) =>
            largeBodies.map((largeBody, at) => {
              const other = floor?.largeBodies[at] ?? largeBody;
              const grown = largeBody.memory.peak - largeBody.memory.before;
              return [
                `${title}, ${largeBody.what}`,
                withRatio(megabytes(grown), grown / bytes),
                withRatio(quantity(largeBody.cpuMicros / 1e6, 's', 2), largeBody.cpuMicros / other.cpuMicros),
                withRatio(`${megabytes(bytes / largeBody.seconds)}/s`, other.seconds / largeBody.seconds),
              ];
            }),
          ),
        },
        {
          title: `${number(floor?.events.streams ?? 0)} event streams (in brackets: relative to http-proxy-middleware)`,
          columns: ['', 'events', 'p50', 'p99', 'CPU per event', 'memory per stream'],
          rows: figures.map(({ title, events }) => {
            const other = floor?.events ?? events;
            return [
              title,
              number(events.received),
              withRatio(quantity(events.p50, 'ms', 1), events.p50 / other.p50),
              withRatio(quantity(events.p99, 'ms', 1), events.p99 / other.p99),
              withRatio(quantity(cpuOf(events), 'µs', 1), cpuOf(events) / cpuOf(other)),
              withRatio(kilobytes(memoryOf(events)), memoryOf(events) / memoryOf(other)),
            ];
          }),
        },
        {
          title: 'Requests beside slow readers (in brackets: relative to no slow readers, and to the body)',
          columns: ['', 'slow readers', 'p99 of other requests', 'sent to a slow reader'],
          rows: figures.map(({ title, slowReaders }) => [
            title,
            number(slowReaders.count),
            withRatio(quantity(slowReaders.p99Ms.withSlowReaders, 'ms', 2), slowReaders.ratio),
            withRatio(megabytes(slowReaders.sentBytes, 1), slowReaders.sentBytes / SLOW_BYTES),
          ]),
        },
      ],
      statements: figures.map(
        ({ title, slowReaders }) =>
          `${title}: p99 with ${slowReaders.count} slow readers is ${times(slowReaders.ratio)} p99 without them.`,
      ),
      errors,
    };
  },
};

const cpuOf = ({ cpuMicros, received }: Events) => cpuMicros / received;
const memoryOf = ({ memory, streams: count }: Events) => (memory.after - memory.before) / count;
