import { startRedis } from '../../../testkit/redis/redis-server.ts';
import { ACCESS_TOKEN } from '../../baselines/baseline.ts';
import type { Fixture } from '../../fixture.ts';
import { errorLines, figure, memory, number } from '../../report/report.ts';
import { type Sample, takeRounds, takeSample } from '../../sample.ts';
import { addUp, median, medianRatio } from '../../statistics.ts';
import { byLength, type Study } from '../../study.ts';
import { readUsage } from '../../usage.ts';
import { requestText } from '../../workload.ts';
import { openPopulatedGateway, type PopulatedGateway } from './populated-gateway.ts';
import { copyKeys, scanningCommands } from './redis.ts';
import { visit } from './visits.ts';

/** A sample of requests that read their session from Redis. */
type Cost = Sample & { redisMicros: number };

const FEW = 1_000;

/** Measures how cost and memory grow with the number of sessions. */
export const sessions: Study = {
  title: 'A million sessions: CPU per request, memory, and Redis commands',
  cases: [],

  async measure(fixture, effort) {
    const { count, visitors, rounds, seconds } = byLength(effort, {
      quick: { count: 100_000, visitors: 400, rounds: 3, seconds: 2 },
      usual: { count: 1_000_000, visitors: 10_000, rounds: 7, seconds: 4 },
      long: { count: 1_000_000, visitors: 10_000, rounds: 15, seconds: 6 },
    });
    const many = await openPopulatedGateway(fixture, await fixture.open(startRedis()), count);
    const populated = { few: await openPopulatedGateway(fixture, fixture.redis, FEW), many };
    const jsonBytes = await measureJsonBytes(fixture, visitors);
    effort.say(`${number(count)} sessions are in Redis`);

    for (const name of ['few', 'many'] as const) await takeCost(fixture, populated[name], 3);
    const costs = await takeRounds(['few', 'many'], rounds, async (name, round) => {
      const cost = await takeCost(fixture, populated[name], seconds);
      effort.say(`${round}  ${name.padEnd(4)}  ${cost.cpuMicros.toFixed(1)} µs CPU`);
      return cost;
    });
    const { phases, errors } = await visit(fixture, effort, many, visitors);
    const tokens = await fixture.provider.ask('tokenSizes');
    const scanning = scanningCommands(phases.flatMap(({ commands }) => commands));

    const row = (total: number, own: readonly Cost[]) => {
      const cell = (read: (cost: Cost) => number, unit: string, digits: number) =>
        figure(median(own.map(read)), unit, digits, medianRatio(own, costs.few, read));
      return [
        number(total),
        cell(({ cpuMicros }) => cpuMicros, 'µs', 1),
        cell(({ redisMicros }) => redisMicros, 'µs', 1),
        cell(({ p50 }) => p50, 'ms', 2),
        cell(({ p99 }) => p99, 'ms', 1),
      ];
    };
    const base = (name: 'cpuMicros' | 'redisMicros') => median(costs.few.map((cost) => cost[name]));
    return {
      tables: [
        {
          title: 'GET, 32 connections, read cache off (in brackets: relative to the fewer sessions)',
          columns: ['sessions in Redis', 'CPU per request', 'Redis time per request', 'p50', 'p99'],
          rows: [row(FEW, costs.few), row(count, costs.many)],
        },
        {
          title: 'Redis memory per session (in brackets: relative to the plain JSON)',
          columns: ['', 'memory', 'keys'],
          rows: [
            ['only the tokens, as JSON, in one key', memory(jsonBytes, 'kB', 2, 1), '1'],
            [
              'a sealed session with its indexes',
              memory(many.bytesASession, 'kB', 2, many.bytesASession / jsonBytes),
              number(many.kinds.length),
            ],
          ],
        },
        {
          title: `With ${number(count)} sessions in Redis (in brackets: relative to a request with few sessions)`,
          columns: ['', 'sessions', 'CPU each', 'Redis time each', 'per second'],
          rows: phases.map((phase) => [
            phase.what,
            number(phase.count),
            figure(phase.cpuMicros, 'µs', 0, phase.cpuMicros / base('cpuMicros')),
            figure(phase.redisMicros, 'µs', 1, phase.redisMicros / base('redisMicros')),
            number(phase.count / phase.seconds),
          ]),
        },
      ],
      statements: [
        `The access token has ${number(tokens.access)} bytes, the ID token ${number(tokens.id)}; the keys of a session: ${many.kinds.join(', ')}.`,
        ...phases.map(({ what, commands }) => `Redis commands, ${what}: ${commands.join(', ')}.`),
        ...(scanning.length === 0 ? ['No command scans the keyspace.'] : []),
      ],
      errors: [
        ...errorLines('requests', addUp([...costs.few, ...costs.many].map((cost) => cost.errors))),
        ...errorLines('visits', errors),
        ...scanning.map((name) => `${name} was called, which scans`),
      ],
    };
  },
};

async function takeCost(
  fixture: Fixture,
  { gateway: { pid, port }, redis, cookies }: PopulatedGateway,
  seconds: number,
): Promise<Cost> {
  const requests = cookies.map((cookie) => requestText('GET', { port, cookie }));
  const before = readUsage(redis.pid).cpuMicros;
  const sample = await takeSample(fixture, { pid, port, requests, forwards: true }, seconds);
  return { ...sample, redisMicros: (readUsage(redis.pid).cpuMicros - before) / sample.succeeded };
}

/** The memory of a key with tokens of the same size as plain JSON, in bytes, as the obvious wiring stores them. */
async function measureJsonBytes(fixture: Fixture, count: number): Promise<number> {
  const redis = await fixture.open(startRedis());
  const key = `session:${'x'.repeat(43)}`;
  const tokens = { accessToken: ACCESS_TOKEN, refreshToken: 'x'.repeat(43), idToken: ACCESS_TOKEN };
  await redis.command('SET', key, JSON.stringify(tokens), 'EX', 3600);
  return copyKeys(redis, [key], count);
}
