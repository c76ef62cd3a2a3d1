import { stat } from 'node:fs/promises';

/** How often the files are looked at, in milliseconds. */
const INTERVAL_MS = 1_000;

type WatchedFiles = {
  /** The files, which may be others after each change. */
  paths: () => readonly string[];
  /** Whether a file has another content than when it was last read. */
  haveChanged: () => boolean;
  onChange: () => void;
};

/** Looks at the files every second, until the process ends. */
export function watchFiles(files: WatchedFiles): void {
  const { look } = createFileWatch(files);
  const lookLater = () => void setTimeout(() => void look().then(lookLater), INTERVAL_MS).unref();
  lookLater();
}

/**
 * Calls `onChange` once files have changed and then stayed the same from one look to the next. A look follows symbolic
 * links, so that it sees a Kubernetes mount whose `..data` is swapped; and it needs no events, which network file systems
 * do not send.
 */
export function createFileWatch({ paths, haveChanged, onChange }: WatchedFiles): { look(): Promise<void> } {
  let previous: string | undefined;
  // Unknown at first: a file may have changed after it was read and before the first look.
  let known: string | undefined;
  return {
    async look() {
      const now = await fingerprintOf(paths());
      const isSettled = now === previous;
      previous = now;
      if (!isSettled || now === known) return;
      known = now;
      if (haveChanged()) onChange();
    },
  };
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
