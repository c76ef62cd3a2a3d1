/** Tracks tasks that run in the background, so that a shutdown can await them. */
export type TaskTracker = {
  /** Tracks a task until it settles, and returns it. The tracker ignores a rejection, which the caller must handle. */
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
