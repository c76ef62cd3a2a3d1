import { capture } from './children.mjs';

/**
 * Installs packages with apt-get, where it exists and the user may: as root, or by a sudo that asks no password.
 * Returns what apt-get printed if it failed; empty where it succeeded or was not tried. Look for the result.
 */
export async function installWithApt(progress, packages) {
  const apt = await permittedApt();
  if (!apt) return '';
  const [command, ...args] = apt;
  const install = ['install', '-y', '-qq', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120'];
  const title = `installing ${packages.join(' and ')} (apt-get)`;
  progress.say(`› this machine does not have ${packages.join(' and ')}: installing with apt-get`);
  const { code, output } = await progress.step(title, async () => {
    // A source that cannot be refreshed need not be the one that has these packages, so its failure only adds output.
    const update = await capture(command, [...args, 'update', '-qq']);
    const result = await capture(command, [...args, ...install, ...packages]);
    return { code: result.code, output: update.output + result.output };
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
