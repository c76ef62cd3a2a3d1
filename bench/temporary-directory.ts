import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A directory for files that nobody needs afterwards. */
export type TemporaryDirectory = { readonly path: string; close(): Promise<void> };

/** Makes a directory; closing it removes it with all that is in it. */
export async function openTemporaryDirectory(): Promise<TemporaryDirectory> {
  const path = await mkdtemp(join(tmpdir(), 'coatcheck-bench-'));
  return { path, close: () => rm(path, { recursive: true, force: true }) };
}
