import { openLongStage } from '../stream-fixture.ts';
import { kilobytes, megabytes, number, quantity, times, withRatio } from '../report/quantity.ts';
import type { Report } from '../report/report.ts';
import { byLength, type Study } from '../study.ts';
import { type Bulk, measureBulks } from './streams/large-bodies.ts';
import { type Dawdlers, measureDawdlers, SLOW_BYTES } from './streams/slow-readers.ts';
import { type Events, measureEvents } from './streams/events.ts';

/** What was measured of one passage. */
type Figures = { title: string; bulks: Bulk[]; events: Events; dawdlers: Dawdlers };
/** What was measured of streams. */
type StreamFigures = { bytes: number; figures: Figures[]; errors: string[] };

/** What streams of all kinds cost, and whom they disturb. */
export const streams: Study<StreamFigures> = {
  title: 'Large bodies in constant memory, event streams, and slow readers',
  cases: [],

  async measure(effort) {
    const bytes = byLength(effort, { quick: 256, usual: 1024, long: 4096 }) * 1024 ** 2;
    const stage = await openLongStage(effort.closing);
    try {
      const errors: string[] = [];
      const figures: Figures[] = [];
      for (const passage of stage.passages) {
        figures.push({
          title: passage.title,
          bulks: await measureBulks(stage, passage, bytes, effort, errors),
          events: await measureEvents(stage, passage, effort, errors),
          dawdlers: await measureDawdlers(stage, passage, effort, errors),
        });
      }
      return { bytes, figures, errors };
    } finally {
      await stage.close();
    }
  },

  report({ bytes, figures, errors }): Report {
    const [floor] = figures;
    return {
      tables: [
        {
          title: `A body of ${megabytes(bytes)} (in brackets: relative to the body, and to http-proxy-middleware)`,
          columns: ['', 'memory growth', 'CPU', 'rate'],
          rows: figures.flatMap(({ title, bulks }) =>
            bulks.map((bulk, at) => {
              const other = floor?.bulks[at] ?? bulk;
              const grown = bulk.memory.peak - bulk.memory.before;
              return [
                `${title}, ${bulk.what}`,
                withRatio(megabytes(grown), grown / bytes),
                withRatio(quantity(bulk.cpuMicros / 1e6, 's', 2), bulk.cpuMicros / other.cpuMicros),
                withRatio(`${megabytes(bytes / bulk.seconds)}/s`, other.seconds / bulk.seconds),
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
          rows: figures.map(({ title, dawdlers }) => [
            title,
            number(dawdlers.count),
            withRatio(quantity(dawdlers.p99Ms.beside, 'ms', 2), dawdlers.ratio),
            withRatio(megabytes(dawdlers.sentBytes, 1), dawdlers.sentBytes / SLOW_BYTES),
          ]),
        },
      ],
      statements: figures.map(
        ({ title, dawdlers }) =>
          `${title}: p99 with ${dawdlers.count} slow readers is ${times(dawdlers.ratio)} p99 without them.`,
      ),
      errors,
    };
  },
};

const cpuOf = ({ cpuMicros, received }: Events) => cpuMicros / received;
const memoryOf = ({ memory, streams: count }: Events) => (memory.after - memory.before) / count;
