import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gatewayConfig } from '../../../testkit/gateway/gateway-config.ts';
import { type Program, runProgram, startProgram, workersOf } from '../../../testkit/processes/program.ts';
import { type Fixture, openFixture } from '../support/fixture.ts';
import { dumpOnSignal, heapOf } from '../support/heap-dump.ts';

let fixture: Fixture;

beforeEach(async () => {
  fixture = await openFixture();
});

afterEach(() => fixture.close());

/** The variables of a process. */
async function environmentOf(pid: number | undefined): Promise<string[]> {
  return (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0');
}

describe('a supervisor', () => {
  it('keeps none of the modules that read a configuration, serve requests or call the provider', async () => {
    const supervisor = await fixture.start({ config: { workers: 2 }, env: dumpOnSignal(fixture) });
    const heap = await heapOf(supervisor, fixture);
    const loaded = (path: string) => heap.includes(path);
    expect(loaded('/workers/supervisor.')).toBe(true);
    expect(
      ['zod', 'yaml', 'undici', 'express', 'openid-client', 'ioredis', 'pino-pretty'].filter((name) =>
        loaded(`/node_modules/${name}/`),
      ),
    ).toEqual([]);
  });

  it('makes its workers return memory to the system, unless the environment says otherwise', async () => {
    const name = 'MALLOC_TRIM_THRESHOLD_';
    const own = await fixture.start({ config: { workers: 2 } });
    const [worker] = await workersOf(own);
    expect(await environmentOf(worker)).toContain(`${name}=131072`);
    const other = await fixture.start({ config: { workers: 2 }, env: { [name]: '1000000' } });
    const [otherWorker] = await workersOf(other);
    expect(await environmentOf(otherWorker)).toContain(`${name}=1000000`);
  });

  it('rejects an invalid configuration before it starts a worker', async () => {
    const result = await runProgram('workers: 2\nlisten: 3000\n');
    expect(result).toMatchObject({ code: 78, signal: null, stdout: '' });
    expect(result.stderr).toContain('The configuration is invalid');
    expect(result.stderr).toContain('coatcheck.yaml:2  listen: expected host:port');
  });
});

describe('the number of workers', () => {
  const start = async (spelling: string): Promise<Program> => {
    const { provider, upstream, redis } = fixture;
    const listen = '127.0.0.1:${PORT}';
    const config = gatewayConfig({ provider, upstream, store: redis.url }, `http://${listen}`, listen);
    const program = await startProgram({ yaml: `{${spelling}, ${JSON.stringify(config).slice(1)}` });
    closing.push(program);
    return program;
  };
  const closing: Program[] = [];

  afterEach(() => Promise.all(closing.splice(0).map((program) => program.close())));

  it.each([
    ['"workers": 2', 2],
    ['"w\\u006frkers": 2', 2],
    ['"workers": 1', 0],
  ])('is that of the file: %s', async (spelling, count) => {
    expect(await workersOf(await start(spelling))).toHaveLength(count);
  });
});
