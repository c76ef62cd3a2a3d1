import { existsSync, rmSync } from 'node:fs';
import { installWithApt } from './apt.mjs';
import { Failure } from './failure.mjs';
import { captureNode, node } from './runtime.mjs';

/** Throws a Failure that says what to do unless the pinned Node.js runs here and is one that Coatcheck supports. */
export async function verifyRuntime(progress) {
  if (!existsSync(node)) {
    throw new Failure(
      `the pinned Node.js is missing for this machine (${process.platform}-${process.arch}): ` +
        'scripts/pinned-node/package.json lists the supported ones.\n  On one of those, run `npm ci --include=optional`, ' +
        'then this command again; elsewhere, use the Dockerfile.',
    );
  }
  const { code, output } = await startOnce(progress);
  if (code !== 0) {
    // npm puts this link first on PATH: without it, the next try starts on the system's Node.js and can say this again.
    rmSync('node_modules/.bin/node', { force: true });
    throw new Failure(remedy(output), { output });
  }
  const major = Number(/^v(\d+)\./.exec(output)?.[1]);
  if (major !== 24 && !(major >= 26)) {
    throw new Failure(
      `the pinned Node.js is ${output.trim()}, and Coatcheck needs 24, or 26 and later.\n` +
        '  Run `npm ci`, then this command again.',
    );
  }
}

/** Asks the pinned Node.js for its version; Node.js needs libatomic from 25 on, which a slim Debian lacks. */
async function startOnce(progress) {
  const first = await captureNode(['--version']);
  if (first.code === 0 || !first.output.includes('libatomic.so.1')) return first;
  const output = await installWithApt(progress, ['libatomic1']);
  const second = await captureNode(['--version']);
  return { code: second.code, output: output + second.output };
}

function remedy(output) {
  if (output.includes('libatomic.so.1')) {
    return (
      'the pinned Node.js needs the system library libatomic: install with `sudo apt-get install libatomic1` (Debian, ' +
      'Ubuntu)\n  or `sudo dnf install libatomic` (Fedora), then run this command again.'
    );
  }
  return (
    'the pinned Node.js does not run on this machine. It supports macOS, and Linux ' +
    'with glibc;\n  on other systems, use the Dockerfile.'
  );
}
