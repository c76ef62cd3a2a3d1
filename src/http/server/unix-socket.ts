import { lstat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';

/** Errors of a connection to a socket file that no process listens on. */
const abandoned = new Set(['ECONNREFUSED', 'ENOENT']);

/**
 * Removes the socket file that a killed process has left behind. Throws when a process still listens on it, and when the
 * path is not a socket.
 */
export async function removeStaleSocket(path: string): Promise<void> {
  const found = await lstat(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined) return;
  // SECURITY: connecting to a file of another kind is refused as well, and it must not be deleted.
  if (!found.isSocket())
    throw new Error(`${path} exists and is not a socket; remove it, or use another path`);
  if (await isListening(path)) throw new Error(`another process listens on ${path}`);
  await unlink(path).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT') throw error;
  });
}

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => {
      if (abandoned.has(codeOf(error))) resolve(false);
      else reject(error);
    });
  });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
