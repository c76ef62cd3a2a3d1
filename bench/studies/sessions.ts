import { startRedis } from '../../testkit/redis-server.ts';
import type { TokenSizes } from '../workers/provider.ts';
import { scanningCommands } from '../redis/statistics.ts';
import { kilobytes, number, quantity, withRatio } from '../report/quantity.ts';
import { type Report, errorLines } from '../report/report.ts';
import { openFixture } from '../fixture.ts';
import { addUp } from '../statistics.ts';
import { byLength, type Study } from '../study.ts';
import { kindOf, openPopulatedGateway, populate, measureJsonBytes } from './sessions/populated-gateway.ts';
import { compareCosts, type Cost } from './sessions/costs.ts';
import type { Phase } from './sessions/phases.ts';
import { visit } from './sessions/visits.ts';

/** The figures of many sessions. */
type SessionFigures = {
  few: { sessions: number; cost: Cost };
  many: { sessions: number; cost: Cost };
  /** Medians of the ratios within each round. */
  ratio: Cost;
  memory: { tokens: TokenSizes; keys: string[]; bytesASession: number; bytesAsJson: number };
  phases: Phase[];
  scanning: string[];
  errors: Record<string, number>;
};

const FEW = 1_000;

/** Measures how cost and memory grow with the number of sessions. */
export const sessions: Study<SessionFigures> = {
  title: 'A million sessions: CPU per request, memory, and Redis commands',
  cases: [],

  async measure(effort) {
    const { count, visitors } = byLength(effort, {
      quick: { count: 100_000, visitors: 400 },
      usual: { count: 1_000_000, visitors: 10_000 },
      long: { count: 1_000_000, visitors: 10_000 },
    });
    const fixture = await openFixture(effort.cleanup);
    try {
      const few = await openPopulatedGateway(fixture, fixture.redis);
      const many = await openPopulatedGateway(fixture, await fixture.open(startRedis()));
      const jsonBytes = await measureJsonBytes(await fixture.open(startRedis()), visitors);
      await populate(few, FEW);
      const bytesASession = await populate(many, count);
      effort.say(`${number(count)} sessions are in Redis, ${kilobytes(bytesASession, 2)} each`);

      const costs = await compareCosts(fixture, effort, few, many);
      const { phases, errors } = await visit(fixture, effort, many, visitors);
      return {
        few: { sessions: FEW, cost: costs.few },
        many: { sessions: count, cost: costs.many },
        ratio: costs.ratio,
        memory: {
          tokens: await fixture.provider.ask('tokenSizes'),
          keys: many.pattern.map(kindOf),
          bytesASession,
          bytesAsJson: jsonBytes,
        },
        phases,
        scanning: scanningCommands(phases.flatMap(({ commands }) => commands)),
        errors: addUp([costs.errors, errors]),
      };
    } finally {
      await fixture.close();
    }
  },

  report: ({ few, many, ratio, memory, phases, scanning, errors }): Report => ({
    tables: [
      {
        title: 'GET, 32 connections, read cache off (in brackets: relative to the fewer sessions)',
        columns: ['sessions in Redis', 'CPU per request', 'Redis time per request', 'p50', 'p99'],
        rows: [
          costRow(few.sessions, few.cost, { cpuMicros: 1, redisMicros: 1, p50: 1, p99: 1 }),
          costRow(many.sessions, many.cost, ratio),
        ],
      },
      {
        title: 'Redis memory per session (in brackets: relative to the plain JSON)',
        columns: ['', 'memory', 'keys'],
        rows: [
          ['only the tokens, as JSON, in one key', withRatio(kilobytes(memory.bytesAsJson, 2), 1), '1'],
          [
            'a sealed session with its indexes',
            withRatio(kilobytes(memory.bytesASession, 2), memory.bytesASession / memory.bytesAsJson),
            number(memory.keys.length),
          ],
        ],
      },
      {
        title: `With ${number(many.sessions)} sessions in Redis (in brackets: relative to a request with few sessions)`,
        columns: ['', 'sessions', 'CPU each', 'Redis time each', 'per second'],
        rows: phases.map((phase) => [
          phase.what,
          number(phase.count),
          withRatio(quantity(phase.cpuMicros, 'µs'), phase.cpuMicros / few.cost.cpuMicros),
          withRatio(quantity(phase.redisMicros, 'µs', 1), phase.redisMicros / few.cost.redisMicros),
          number(phase.count / phase.seconds),
        ]),
      },
    ],
    statements: [
      `The access token has ${number(memory.tokens.access)} bytes, the ID token ${number(memory.tokens.id)}; the keys of a session: ${memory.keys.join(', ')}.`,
      ...phases.map(({ what, commands }) => `Redis commands, ${what}: ${commands.join(', ')}.`),
      scanning.length === 0
        ? 'No command scans the keyspace.'
        : `Commands that scan: ${scanning.join(', ')}.`,
    ],
    errors: [...errorLines('sessions', errors), ...scanning.map((name) => `${name} was called, which scans`)],
  }),
};

function costRow(count: number, cost: Cost, ratio: Cost): string[] {
  return [
    number(count),
    withRatio(quantity(cost.cpuMicros, 'µs', 1), ratio.cpuMicros),
    withRatio(quantity(cost.redisMicros, 'µs', 1), ratio.redisMicros),
    withRatio(quantity(cost.p50, 'ms', 2), ratio.p50),
    withRatio(quantity(cost.p99, 'ms', 1), ratio.p99),
  ];
}
