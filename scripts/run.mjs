// Every npm script starts here. This file and its neighbours run on any Node.js from 20 on, with nothing installed; what
// they start runs on the Node.js that the lockfile pins.
import { fileURLToPath } from 'node:url';
import { ensureBuilt } from './build.mjs';
import { check } from './check.mjs';
import { docs } from './docs.mjs';
import { Failure } from './failure.mjs';
import { ensureInstalled } from './install.mjs';
import { createProgress } from './progress.mjs';
import { attachNode, tool } from './runtime.mjs';
import { ensureSystemPackages } from './system-packages.mjs';
import { test } from './test.mjs';

const usage = `usage: node scripts/run.mjs COMMAND [arguments]

  demo      start a provider, an API, a single-page app and the gateway
  provider  start an OpenID provider for the development of an app; -- --help lists its options
  start     start the gateway; -- --config FILE, default config/default.yaml
  test      run every test; arguments go to vitest
  bench     run the benchmark; -- --help lists the subjects
  check     check types, lint, format and unit tests
  build     compile src to dist when it is stale
  generate  write the files derived from the declaration of the configuration
  docs      build the site of the documentation; -- --serve serves it
  pictures  take the pictures of the demo for the README
  format    format every file with prettier
  lint      run oxlint`;

const commands = {
  async demo(progress, args) {
    await ensureBuilt(progress);
    return attachNode(['demo/main.ts', ...args]);
  },
  provider: (_progress, args) => attachNode(['demo/provider/main.ts', ...args]),
  async start(progress, args) {
    await ensureBuilt(progress);
    const configured = args.some((arg) => arg === '--config' || arg.startsWith('--config='));
    const { v8Flags } = await import('../dist/performance/v8-flags.js');
    const { glibcVariables } = await import('../dist/performance/glibc.js');
    for (const [name, value] of Object.entries(glibcVariables)) process.env[name] ??= value;
    const config = configured ? [] : ['--config', 'config/default.yaml'];
    return attachNode([...v8Flags, 'dist/main.js', ...config, ...args]);
  },
  async test(progress, args) {
    const programs = await ensureSystemPackages(progress, 'npm test', [
      'redis-server',
      'Valkey',
      'Chromium',
      'Firefox',
      'nginx',
      'HAProxy',
      'Caddy',
    ]);
    await ensureBuilt(progress);
    return test(progress, args, programs);
  },
  async bench(progress, args) {
    const programs = await ensureSystemPackages(progress, 'npm run bench', ['redis-server']);
    await ensureBuilt(progress);
    return attachNode(['bench/main.ts', ...args], programs);
  },
  check,
  async build(progress) {
    await ensureBuilt(progress);
    return 0;
  },
  docs,
  async pictures(progress) {
    const programs = await ensureSystemPackages(progress, 'npm run pictures', ['Chromium']);
    await ensureBuilt(progress);
    return attachNode(['demo/pictures.ts'], programs);
  },
  generate: () => attachNode(['scripts/generate/main.ts']),
  format: () => attachNode(tool('prettier', '--write', '--log-level=warn', '.')),
  lint: (_progress, args) => attachNode(tool('oxlint', '--deny-warnings', ...args)),
};

const [name, ...args] = process.argv.slice(2);
process.exitCode = Object.hasOwn(commands, name ?? '') ? await run(name, args) : refuse();

async function run(name, args) {
  process.chdir(fileURLToPath(new URL('..', import.meta.url)));
  // The gateway's output is its log: print nothing else between those lines.
  const progress = createProgress(name === 'start' ? process.stderr : process.stdout);
  try {
    await ensureInstalled(progress);
    return await commands[name](progress, args);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (error.output) progress.say(`\n${error.output.trim()}\n`);
    progress.say(`✗ ${error.message}`);
    return error.exitCode;
  }
}

function refuse() {
  console.error(usage);
  return 2;
}
