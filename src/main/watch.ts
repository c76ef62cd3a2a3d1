import { stat } from 'node:fs/promises';

/** How often the files are looked at, in milliseconds. */
const INTERVAL_MS = 1_000;

/**
 * Calls `onChange` once files have changed and then stayed the same from one look to the next. A look follows symbolic
 * links, so that it sees a Kubernetes mount whose `..data` is swapped; and it needs no events, which network file systems
 * do not send.
 *
 * @param pathsOf - the files, which may be others after each change.
 */
export async function watchFiles(pathsOf: () => readonly string[], onChange: () => void): Promise<void> {
  let known = await fingerprintOf(pathsOf());
  let previous = known;
  const look = async () => {
    const now = await fingerprintOf(pathsOf());
    const isSettled = now === previous;
    previous = now;
    if (isSettled && now !== known) {
      known = now;
      onChange();
    }
    setTimeout(() => void look(), INTERVAL_MS).unref();
  };
  setTimeout(() => void look(), INTERVAL_MS).unref();
}

/** A text that changes when one of the files is replaced, changed, created or removed. */
async function fingerprintOf(paths: readonly string[]): Promise<string> {
  const parts = await Promise.all(
    paths.map(async (path) => {
      try {
        const { dev, ino, size, mtimeMs, ctimeMs } = await stat(path);
        return [path, dev, ino, size, mtimeMs, ctimeMs];
      } catch {
        return [path];
      }
    }),
  );
  return JSON.stringify(parts);
}
