/**
 * Variables for glibc's allocator, which reads them when a process starts. It otherwise raises the threshold as V8's compilers free
 * their memory, and then keeps up to 64 MB of it. Measurements: `docs/decisions/0039-memory-of-processes.md`.
 */
export const glibcVariables: Readonly<Record<string, string>> = { MALLOC_TRIM_THRESHOLD_: '131072' };
