import { writeFileSync } from 'node:fs';
import { readSecurityPages, unshown } from '../testkit/security-table.ts';

/**
 * A vitest reporter that counts: writes `{ passed, failed, skipped, unshown }` as JSON to the file that TALLY_FILE names.
 * `unshown` are the tests that docs/security/ names and that this run has not shown.
 */
export default class Tally {
  onTestRunEnd(modules) {
    const tally = { passed: 0, failed: 0, skipped: [], unshown: [] };
    const run = [];
    for (const module of modules) {
      const tests = [...module.children.allTests()];
      for (const test of tests) {
        const { state } = test.result();
        if (state === 'passed') tally.passed++;
        else if (state === 'skipped') tally.skipped.push(`${module.relativeModuleId}: ${test.fullName}`);
        else tally.failed++;
        run.push({ file: module.relativeModuleId, titles: titlesOf(test), passed: state === 'passed' });
      }
      // A file that does not load, and a hook that throws, fail without a failed test of their own.
      if (module.state() === 'failed' && !tests.some((test) => test.result().state === 'failed'))
        tally.failed++;
    }
    tally.unshown = unshown(readSecurityPages('.'), run);
    writeFileSync(process.env.TALLY_FILE, JSON.stringify(tally));
  }
}

/** The titles of a test's groups, from the outermost, and its own. */
function titlesOf({ name, parent }) {
  return [...(parent.type === 'suite' ? titlesOf(parent) : []), name];
}
