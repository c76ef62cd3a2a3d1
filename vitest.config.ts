import { defineConfig } from 'vitest/config';
import { isLong } from './testkit/seeded-random.ts';

/** More workers than two cores keep busy: tests of whole processes wait a third of their time. */
const WORKERS = 3;
/** Files share the modules that a worker has imported: a quarter of the time of tests of whole gateways, more than half of unit tests. */
const shared = { isolate: false, restoreMocks: true };

/** One project per kind of test. They run one after the other, so that slow tests do not starve quick ones. */
export default defineConfig({
  test: {
    // `provider.proxy: env` would otherwise see the proxies of the machine.
    env: { HTTPS_PROXY: '', https_proxy: '', HTTP_PROXY: '', http_proxy: '', NO_PROXY: '', no_proxy: '' },
    // On a busy machine, what a test polls for comes late, and every test takes long. No test asserts a duration.
    expect: { poll: { timeout: 20_000 } },
    projects: [
      project('unit', 0, { testTimeout: 30_000, hookTimeout: 30_000, maxWorkers: 2, ...shared }),
      project('integration', 1, { testTimeout: 90_000, hookTimeout: 90_000, maxWorkers: WORKERS, ...shared }),
      project('regressions', 2, { testTimeout: 90_000, hookTimeout: 90_000, maxWorkers: WORKERS, ...shared }),
      project('fuzz', 2, {
        testTimeout: isLong ? 1_800_000 : 180_000,
        hookTimeout: 90_000,
        maxWorkers: WORKERS,
        ...shared,
      }),
      project('e2e', 3, { testTimeout: 240_000, hookTimeout: 240_000, maxWorkers: WORKERS }),
      project('chaos', 4, { testTimeout: 240_000, hookTimeout: 240_000, maxWorkers: 2 }),
    ],
  },
});

function project(name: string, groupOrder: number, options: Options) {
  const include = [`test/${name}/**/*.test.ts`];
  // Set and empty where `npm test` cannot install Valkey, which it says.
  const exclude = process.env['VALKEY_SERVER'] === '' ? ['**/valkey.test.ts'] : [];
  const setupFiles = name === 'unit' ? [] : ['testkit/secrets/canary-check.ts'];
  return {
    extends: true as const,
    test: { name, include, exclude, setupFiles, sequence: { groupOrder }, ...options },
  };
}

type Options = {
  testTimeout: number;
  hookTimeout: number;
  maxWorkers?: number;
  isolate?: boolean;
  restoreMocks?: boolean;
};
