import { Failure } from './failure.mjs';
import { captureNode, tool } from './runtime.mjs';

const steps = [
  ['types', tool('tsc', '--noEmit', '-p', 'tsconfig.json')],
  ['lint', tool('oxlint', '--deny-warnings')],
  ['format', tool('prettier', '--check', '--log-level=warn', '.')],
  ['unit tests', tool('vitest', 'run', '--project=unit')],
];

/** Runs all checks that need no Redis and no browser. Runs every step and fails at the end if one failed. */
export async function check(progress) {
  const failed = [];
  for (const [title, args] of steps) {
    const { code, output } = await progress.step(title, () => captureNode(args));
    if (code === 0) continue;
    failed.push(title);
    progress.say(`\n${output.trim()}\n`);
  }
  if (failed.length > 0) throw new Failure(`check failed: ${failed.join(', ')}`);
  return 0;
}
