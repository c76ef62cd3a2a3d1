import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { capture } from './children.mjs';

/**
 * Installs packages with apt-get, if it exists and the user may: as root, or with sudo without a password.
 * With `backports`, it also looks into the backports of this Debian release. Returns the output of apt-get if it failed, else
 * an empty text. Check the result yourself.
 */
export async function installWithApt(progress, packages, { backports = false } = {}) {
  const apt = await permittedApt();
  if (!apt) return '';
  const sources = backports ? await sourcesWithBackports() : undefined;
  try {
    return await runApt(
      progress,
      packages,
      sources ? [...apt, '-o', `Dir::Etc::SourceParts=${sources}`] : apt,
    );
  } finally {
    if (sources) rmSync(sources, { recursive: true });
  }
}

async function runApt(progress, packages, [command, ...args]) {
  const install = ['install', '-y', '-qq', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120'];
  const title = `installing ${packages.join(' and ')} (apt-get)`;
  progress.say(`› this machine does not have ${packages.join(' and ')}: installing with apt-get`);
  const { code, output } = await progress.step(title, async () => {
    // A source that cannot be updated may be irrelevant for these packages, so its failure only adds output.
    const update = await capture(command, [...args, 'update', '-qq']);
    const result = await capture(command, [...args, ...install, ...packages]);
    return { code: result.code, output: update.output + result.output };
  });
  return code === 0 ? '' : output;
}

/** The command that runs apt-get with the right to install, or undefined. */
async function permittedApt() {
  const { code } = await capture('apt-get', ['--version']);
  if (code !== 0) return undefined;
  const apt = ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get'];
  if (process.getuid() === 0) return apt;
  const sudo = await capture('sudo', ['-n', 'true']);
  return sudo.code === 0 ? ['sudo', '-n', ...apt] : undefined;
}

/** A folder with the sources of this machine and the backports of its Debian release; undefined if it has none. */
async function sourcesWithBackports() {
  const format = ['--format', '$(REPO_URI) $(CODENAME) $(COMPONENT)', 'Created-By: Packages'];
  const { output } = await capture('apt-get', ['indextargets', ...format]);
  const [, archive, release] = /^(\S+\/debian\/?) ([a-z]+) main$/m.exec(output) ?? [];
  if (!archive) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'coatcheck-apt-'));
  const parts = '/etc/apt/sources.list.d';
  if (existsSync(parts)) cpSync(parts, folder, { recursive: true });
  writeFileSync(join(folder, 'backports.list'), `deb ${archive} ${release}-backports main\n`);
  return folder;
}
