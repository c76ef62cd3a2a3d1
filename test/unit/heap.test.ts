import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const run = promisify(execFile);

/** Keeps what it makes for a while, so that V8 finds the young generation too small, and says how large that became. */
const greedy = `
import { setImmediate as turn } from 'node:timers/promises';
import { tuneHeap, youngBytes } from '${new URL('../../src/heap.ts', import.meta.url).href}';
if (process.argv[1] === 'tuned') tuneHeap();
let kept = [];
let most = 0;
for (let at = 0; at < 300; at += 1) {
  for (let each = 0; each < 20_000; each += 1) kept.push({ at, each });
  if (kept.length > 600_000) kept = [];
  most = Math.max(most, youngBytes());
  await turn();
}
console.log(most);
`;

async function mostOf(...args: string[]): Promise<number> {
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', greedy, ...args]);
  return Number(stdout);
}

it('the young generation of a gateway stays small, where it would grow otherwise', async () => {
  const [tuned, untuned] = [await mostOf('tuned'), await mostOf()];
  expect(tuned).toBeLessThan(80e6);
  expect(untuned).toBeGreaterThan(120e6);
});
