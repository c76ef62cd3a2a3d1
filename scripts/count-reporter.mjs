import { writeFileSync } from 'node:fs';
import { readSecurityPages, unproven } from '../testkit/project/security-table.ts';

/**
 * A vitest reporter that counts: writes `{ passed, failed, skipped, unproven }` as JSON to the file that TEST_COUNTS_FILE names.
 * `unproven` are the tests that docs/security/ names and that this run did not pass.
 */
export default class CountReporter {
  onTestRunEnd(modules) {
    const counts = { passed: 0, failed: 0, skipped: [], unproven: [] };
    const run = [];
    for (const module of modules) {
      const tests = [...module.children.allTests()];
      for (const test of tests) {
        const { state } = test.result();
        if (state === 'passed') counts.passed++;
        else if (state === 'skipped') counts.skipped.push(`${module.relativeModuleId}: ${test.fullName}`);
        else counts.failed++;
        run.push({ file: module.relativeModuleId, titles: titlesOf(test), passed: state === 'passed' });
      }
      // A file that does not load, and a hook that throws, fail without a failed test of their own.
      if (module.state() === 'failed' && !tests.some((test) => test.result().state === 'failed'))
        counts.failed++;
    }
    counts.unproven = unproven(readSecurityPages('.'), run);
    writeFileSync(process.env.TEST_COUNTS_FILE, JSON.stringify(counts));
  }
}

/** The titles of a test's groups, from the outermost, and its own. */
function titlesOf({ name, parent }) {
  return [...(parent.type === 'suite' ? titlesOf(parent) : []), name];
}
