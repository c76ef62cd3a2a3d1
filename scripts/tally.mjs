import { writeFileSync } from 'node:fs';

/** A vitest reporter that counts: writes `{ passed, failed, skipped }` as JSON to the file that TALLY_FILE names. */
export default class Tally {
  onTestRunEnd(modules) {
    const tally = { passed: 0, failed: 0, skipped: [] };
    for (const module of modules) {
      const tests = [...module.children.allTests()];
      for (const test of tests) {
        const { state } = test.result();
        if (state === 'passed') tally.passed++;
        else if (state === 'skipped') tally.skipped.push(`${module.relativeModuleId}: ${test.fullName}`);
        else tally.failed++;
      }
      // A file that does not load, and a hook that throws, fail without a failed test of their own.
      if (module.state() === 'failed' && !tests.some((test) => test.result().state === 'failed'))
        tally.failed++;
    }
    writeFileSync(process.env.TALLY_FILE, JSON.stringify(tally));
  }
}
