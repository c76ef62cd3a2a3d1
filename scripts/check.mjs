import { Failure } from './failure.mjs';
import { captureNode, tool } from './runtime.mjs';

const checks = {
  types: tool('tsc', '--noEmit', '--singleThreaded', '-p', 'tsconfig.json'),
  lint: tool('oxlint', '--deny-warnings'),
  format: tool('prettier', '--check', '--log-level=warn', '.'),
  'unit tests': tool('vitest', 'run', '--project=unit'),
};

/**
 * What runs side by side, on two cores: the format check keeps one core busy for half of the time. Several threads of tsc would
 * take twice the CPU time of one.
 */
const groups = [['format'], ['types', 'lint', 'unit tests']];

/** Runs all checks that need no Redis and no browser. Runs every check and fails at the end if one failed. */
export async function check(progress) {
  const results = await progress.step(Object.keys(checks).join(', '), runAll, allPassed);
  const failed = results.filter(hasFailed);
  for (const { title, output } of failed) progress.say(`\n✗ ${title}\n${output.trim()}\n`);
  if (failed.length > 0) throw new Failure(`check failed: ${failed.map(({ title }) => title).join(', ')}`);
  return 0;
}

async function runAll() {
  const results = await Promise.all(groups.map(runInSequence));
  return results.flat();
}

async function runInSequence(titles) {
  const results = [];
  for (const title of titles) results.push({ title, ...(await captureNode(checks[title])) });
  return results;
}

const hasFailed = ({ code }) => code !== 0;
const allPassed = (results) => !results.some(hasFailed);
