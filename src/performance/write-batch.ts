/** Defers tasks to the end of the current event loop iteration. */
export type WriteBatch = {
  /** Runs a task after the iteration has read all incoming data. The task must not throw. */
  add(task: () => void): void;
};

/**
 * Batches the writes of one event loop iteration and performs them right after its reads.
 *
 * A write to a sleeping process must wake it, which costs the writer more than the write itself. In a batch, only the first
 * write wakes the process. At 32 connections a request takes a third less CPU (`docs/performance.md`). A single request is
 * not delayed, because its iteration ends with it.
 */
export function createWriteBatch(): WriteBatch {
  let tasks: (() => void)[] = [];
  const run = () => {
    const due = tasks;
    tasks = [];
    for (const task of due) task();
  };
  return {
    add(task) {
      if (tasks.push(task) === 1) setImmediate(run);
    },
  };
}
