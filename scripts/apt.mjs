import { capture } from './children.mjs';

/**
 * Installs packages with apt-get, if it exists and the user may: as root, or with sudo without a password.
 * Returns the output of apt-get if it failed, else an empty text. Check the result yourself.
 */
export async function installWithApt(progress, packages) {
  const apt = await permittedApt();
  if (!apt) return '';
  const [command, ...args] = apt;
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
