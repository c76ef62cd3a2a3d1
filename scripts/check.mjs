import { Failure } from './failure.mjs';
import { captureNode, tool } from './runtime.mjs';

/**
 * The checks of a step run side by side, each on one core: several threads of tsc take twice the CPU time of one. The unit tests
 * use every core and have a step of their own.
 */
const steps = [
  {
    types: tool('tsc', '--noEmit', '--singleThreaded', '-p', 'tsconfig.json'),
    lint: tool('oxlint', '--deny-warnings'),
    format: tool('prettier', '--check', '--log-level=warn', '.'),
  },
  { 'unit tests': tool('vitest', 'run', '--project=unit') },
];

/** Runs all checks that need no Redis and no browser. Runs every step and fails at the end if one failed. */
export async function check(progress) {
  const failed = [];
  for (const checks of steps) {
    const results = await progress.step(Object.keys(checks).join(', '), () => runAll(checks), allPassed);
    for (const { title, output } of results.filter(hasFailed)) {
      failed.push(title);
      progress.say(`\n${output.trim()}\n`);
    }
  }
  if (failed.length > 0) throw new Failure(`check failed: ${failed.join(', ')}`);
  return 0;
}

const runAll = (checks) =>
  Promise.all(Object.entries(checks).map(async ([title, args]) => ({ title, ...(await captureNode(args)) })));
const hasFailed = ({ code }) => code !== 0;
const allPassed = (results) => !results.some(hasFailed);
