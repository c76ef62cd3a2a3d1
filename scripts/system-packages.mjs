import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { installWithApt } from './apt.mjs';
import { Failure } from './failure.mjs';

const needed = [
  { name: 'redis-server', variable: 'REDIS_SERVER', package: 'redis-server', commands: ['redis-server'] },
  {
    name: 'Valkey',
    variable: 'VALKEY_SERVER',
    package: 'valkey-server',
    commands: ['valkey-server'],
    optional: true,
  },
  {
    name: 'Chromium',
    variable: 'CHROMIUM',
    package: 'chromium',
    commands: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
  },
  { name: 'Firefox', variable: 'FIREFOX', package: 'firefox-esr', commands: ['firefox-esr', 'firefox'] },
  { name: 'nginx', variable: 'NGINX', package: 'nginx-light', commands: ['nginx'] },
  { name: 'HAProxy', variable: 'HAPROXY', package: 'haproxy', commands: ['haproxy'] },
  { name: 'Caddy', variable: 'CADDY', package: 'caddy', commands: ['caddy'] },
];

/**
 * Finds the programs that an npm script starts, installing them where the system's package manager and the user's rights
 * allow. Returns the environment variables that name them to it; that of an optional program is empty if it cannot be had.
 */
export async function ensureSystemPackages(progress, script, names) {
  const wanted = needed.filter(({ name }) => names.includes(name));
  let missing = wanted.filter((program) => !program.optional && !locate(program));
  if (missing.length > 0) {
    const packages = missing.map((program) => program.package);
    const output = await installWithApt(progress, packages);
    missing = missing.filter((program) => !locate(program));
    if (missing.length > 0) throw new Failure(advice(script, missing), { output });
  }
  for (const program of wanted.filter((each) => each.optional && !locate(each))) {
    await installWithApt(progress, [program.package], { backports: true });
    if (!locate(program))
      progress.say(`› ${program.name} cannot be installed here: ${script} leaves its tests out`);
  }
  return Object.fromEntries(wanted.map((program) => [program.variable, locate(program) ?? '']));
}

/** The path of a program, from its variable or else from PATH; undefined if there is none. */
function locate({ variable, commands }) {
  const named = process.env[variable];
  if (named) {
    if (isExecutable(named)) return named;
    throw new Failure(`${variable} is ${named}, which is not an executable file`);
  }
  // Debian keeps servers in a folder that is not on every user's PATH.
  const folders = [...process.env.PATH.split(delimiter), '/usr/sbin'];
  return commands.flatMap((command) => folders.map((folder) => join(folder, command))).find(isExecutable);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function advice(script, programs) {
  const list = (key, separator) => programs.map((program) => program[key]).join(separator);
  const packages = list('package', ' ');
  return (
    `${script} needs ${list('name', ' and ')}: install with \`sudo apt-get install ${packages}\` (Debian, Ubuntu) or ` +
    `\`brew install ${packages.replace('redis-server', 'redis').replace('-light', '').replace('-esr', '')}\` (macOS), or set ${list('variable', ' and ')} to the path`
  );
}
