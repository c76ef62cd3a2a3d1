import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attachNode, tool } from './runtime.mjs';

/**
 * Runs every project of vitest.config.ts, or what `args` choose, and ends with one line of counts. Fails when a test
 * failed, when none ran, when one was skipped that `args` did not leave out by name, and, without `args`, when one that
 * docs/security/ names did not run and pass.
 */
export async function test(progress, args, env) {
  const folder = mkdtempSync(join(tmpdir(), 'coatcheck-test-counts-'));
  const countsFile = join(folder, 'counts.json');
  try {
    const reporters = ['--reporter=default', '--reporter=./scripts/count-reporter.mjs'];
    const code = await attachNode(tool('vitest', 'run', ...reporters, ...args), {
      ...env,
      TEST_COUNTS_FILE: countsFile,
    });
    return report(progress, code, readCounts(countsFile), args);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function report(progress, code, { passed, failed, skipped, unproven }, args) {
  const chosen = args.some(choosesByName);
  const claims = args.length === 0 ? unproven : [];
  const complete = passed + failed > 0 && (skipped.length === 0 || chosen) && claims.length === 0;
  if (passed + failed === 0) {
    progress.say('✗ no test ran');
  } else if (code !== 0 && failed === 0) {
    progress.say(`✗ vitest ended with exit code ${code} and no failed test; see the output above`);
  }
  if (chosen) progress.say(`› ${skipped.length} tests excluded by name`);
  else for (const title of skipped) progress.say(`✗ skipped: ${title}`);
  for (const name of claims) progress.say(`✗ named in docs/security/, but did not run and pass: ${name}`);
  progress.say(`tests: ${passed} passed, ${failed} failed`);
  return code === 0 && !(complete && failed === 0) ? 1 : code;
}

/** The counts; all zero if vitest ended before it wrote them. */
function readCounts(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
    return { passed: 0, failed: 0, skipped: [], unproven: [] };
  }
}

const choosesByName = (arg) => /^(-t|--testNamePattern)(=|$)/.test(arg);
