/** Knows the tasks that nobody awaits, so that a shutdown can. */
export type TaskTracker = {
  /** Tracks a task until it settles, and returns it. A rejection is its caller's: the tracker ignores it. */
  track<Result>(task: Promise<Result>): Promise<Result>;
  /** Settles when every task that is tracked now has settled; never rejects. */
  settle(): Promise<void>;
};

export function createTaskTracker(): TaskTracker {
  const tasks = new Set<Promise<void>>();
  return {
    track(task) {
      const forget = () => void tasks.delete(tracked);
      const tracked = task.then(forget, forget);
      tasks.add(tracked);
      return task;
    },
    async settle() {
      await Promise.all(tasks);
    },
  };
}
