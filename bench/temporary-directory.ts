import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A directory for temporary files. */
export type TemporaryDirectory = { readonly path: string; close(): Promise<void> };

/** Creates a directory; closing removes it with its contents. */
export async function openTemporaryDirectory(): Promise<TemporaryDirectory> {
  const path = await mkdtemp(join(tmpdir(), 'coatcheck-bench-'));
  return { path, close: () => rm(path, { recursive: true, force: true }) };
}
