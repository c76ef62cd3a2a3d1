import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { capture } from './children.mjs';
import { Failure } from './failure.mjs';

const needed = [
  { name: 'redis-server', variable: 'REDIS_SERVER', package: 'redis-server', commands: ['redis-server'] },
  {
    name: 'Chromium',
    variable: 'CHROMIUM',
    package: 'chromium',
    commands: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
  },
];

/**
 * Finds the programs that the tests start, installing them where the system's package manager and the user's rights
 * allow. Returns the environment variables that name them to the tests.
 */
export async function ensureSystemPackages(progress) {
  let missing = needed.filter((program) => !locate(program));
  if (missing.length > 0) {
    const output = await installWithApt(progress, missing);
    missing = missing.filter((program) => !locate(program));
    if (missing.length > 0) throw new Failure(advice(missing), { output });
  }
  return Object.fromEntries(needed.map((program) => [program.variable, locate(program)]));
}

/** The path of a program, from its variable or else from PATH; undefined if there is none. */
function locate({ variable, commands }) {
  const named = process.env[variable];
  if (named) {
    if (isExecutable(named)) return named;
    throw new Failure(`${variable} is ${named}, which is not a program that can be run`);
  }
  const folders = process.env.PATH.split(delimiter);
  return commands.flatMap((command) => folders.map((folder) => join(folder, command))).find(isExecutable);
}

/** Returns what apt-get printed if it failed; empty where it succeeded, is absent or is not permitted. */
async function installWithApt(progress, programs) {
  const apt = await permittedApt();
  if (!apt) return '';
  const packages = programs.map((program) => program.package);
  const title = `installing ${packages.join(' and ')} (apt-get)`;
  progress.say(`› the tests need ${packages.join(' and ')}: installing with apt-get`);
  const [command, ...args] = apt;
  const install = ['install', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120', ...packages];
  const { code, output } = await progress.step(title, async () => {
    // A source that cannot be refreshed need not be the one that has these packages, so its failure only adds output.
    const update = await capture(command, [...args, 'update', '-qq']);
    const result = await capture(command, [...args, ...install, '-qq']);
    return { ...result, output: update.output + result.output };
  });
  return code === 0 ? '' : output;
}

/** The words that start an apt-get which may install, or undefined. */
async function permittedApt() {
  const { code } = await capture('apt-get', ['--version']);
  if (code !== 0) return undefined;
  const apt = ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get'];
  if (process.getuid() === 0) return apt;
  const sudo = await capture('sudo', ['-n', 'true']);
  return sudo.code === 0 ? ['sudo', '-n', ...apt] : undefined;
}

function advice(programs) {
  const list = (key, separator) => programs.map((program) => program[key]).join(separator);
  const packages = list('package', ' ');
  return (
    `npm test needs ${list('name', ' and ')}: install with \`sudo apt-get install ${packages}\` (Debian, Ubuntu) or ` +
    `\`brew install ${packages.replace('redis-server', 'redis')}\` (macOS), or put the path in ${list('variable', ' and ')}`
  );
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
