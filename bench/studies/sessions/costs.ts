import { takeSample } from '../../comparison/sample.ts';
import type { Fixture } from '../../fixture.ts';
import { addUp, median } from '../../statistics.ts';
import { byLength, type Effort } from '../../study.ts';
import { readUsage } from '../../usage.ts';
import { requestText } from '../../workload.ts';
import type { PopulatedGateway } from './populated-gateway.ts';

/** The cost of a request that reads its session from Redis. */
export type Cost = { cpuMicros: number; redisMicros: number; p50: number; p99: number };

/** The cost with few and with many sessions. Each ratio is the median of the ratios per round. */
export type Costs = { few: Cost; many: Cost; ratio: Cost; errors: Record<string, number> };

/** Measures requests with few and with many sessions, alternately. */
export async function compareCosts(
  fixture: Fixture,
  effort: Effort,
  few: PopulatedGateway,
  many: PopulatedGateway,
): Promise<Costs> {
  const { rounds, seconds } = byLength(effort, {
    quick: { rounds: 3, seconds: 2 },
    usual: { rounds: 7, seconds: 4 },
    long: { rounds: 15, seconds: 6 },
  });
  const samples: Record<'few' | 'many', (Cost & { errors: Record<string, number> })[]> = {
    few: [],
    many: [],
  };
  const turns = [
    ['few', few],
    ['many', many],
  ] as const;
  for (const [, populated] of turns) await takeCost(fixture, populated, 3);
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, populated] of round % 2 === 0 ? turns : turns.toReversed()) {
      const cost = await takeCost(fixture, populated, seconds);
      samples[name].push(cost);
      effort.say(`round ${round + 1} of ${rounds}  ${name.padEnd(4)}  ${cost.cpuMicros.toFixed(1)} µs CPU`);
    }
  }
  const costOf = (read: (read: (cost: Cost) => number) => number[]): Cost => ({
    cpuMicros: median(read(({ cpuMicros }) => cpuMicros)),
    redisMicros: median(read(({ redisMicros }) => redisMicros)),
    p50: median(read(({ p50 }) => p50)),
    p99: median(read(({ p99 }) => p99)),
  });
  return {
    few: costOf((read) => samples.few.map(read)),
    many: costOf((read) => samples.many.map(read)),
    ratio: costOf((read) => samples.many.map((cost, at) => read(cost) / read(samples.few[at] ?? cost))),
    errors: addUp([...samples.few, ...samples.many].map(({ errors }) => errors)),
  };
}

async function takeCost(fixture: Fixture, { gateway, redis, cookies }: PopulatedGateway, seconds: number) {
  const { pid, port } = gateway;
  const texts = cookies.map((cookie) => requestText('GET', { port, cookie }));
  const before = readUsage(redis.pid).cpuMicros;
  const candidate = { pid, port, requests: () => texts, forwards: true };
  const sample = await takeSample(fixture, candidate, { method: 'GET', connections: 32 }, seconds);
  const { cpuMicros, p50, p99, errors, answered } = sample;
  return { cpuMicros, p50, p99, errors, redisMicros: (readUsage(redis.pid).cpuMicros - before) / answered };
}
