import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { settings } from '../../src/heap.ts';

const run = promisify(execFile);

/** Keeps what it makes for a while, so that V8 finds the young generation too small, and says how large it is on average. */
const greedy = `
import { setImmediate as turn } from 'node:timers/promises';
import { tuneHeap, youngBytes } from '${new URL('../../src/heap.ts', import.meta.url).href}';
if (process.argv[1] === 'tuned') tuneHeap();
const turns = 600;
let kept = [];
let sum = 0;
for (let at = 0; at < turns; at += 1) {
  for (let each = 0; each < 20_000; each += 1) kept.push({ at, each });
  if (kept.length > 600_000) kept = [];
  sum += youngBytes();
  await turn();
}
console.log(sum / turns);
`;

async function averageOf(...args: string[]): Promise<number> {
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', greedy, ...args]);
  return Number(stdout);
}

describe('the heap of a gateway', () => {
  it('is set up by flags that this V8 knows: it passes over others in silence', async () => {
    const { stdout } = await run(process.execPath, ['--v8-options']);
    for (const setting of [...settings, '--semi-space-growth-factor']) {
      const [flag = ''] = setting.replace('--no-', '--').split('=');
      expect(stdout).toContain(` ${flag} `);
    }
  });

  it('has a young generation that stays small', async () => {
    const [tuned, untuned] = [await averageOf('tuned'), await averageOf()];
    expect(tuned / untuned).toBeLessThan(0.75);
  });
});
