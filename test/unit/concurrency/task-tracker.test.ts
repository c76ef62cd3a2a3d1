import { describe, expect, it } from 'vitest';
import { createTaskTracker } from '../../../src/concurrency/task-tracker.ts';

/** Whether a promise has settled by now. */
async function hasSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.finally(() => (settled = true));
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

describe('a task tracker', () => {
  it('a task tracker settles at once without a task', async () => {
    await createTaskTracker().settle();
  });

  it('a task tracker returns the task and settles once every task has settled', async () => {
    const tracker = createTaskTracker();
    const first = Promise.withResolvers<string>();
    const second = Promise.withResolvers<string>();
    const tracked = tracker.track(first.promise);
    void tracker.track(second.promise);
    const settled = tracker.settle();
    second.resolve('second');
    expect(await hasSettled(settled)).toBe(false);
    first.resolve('first');
    await settled;
    expect(await tracked).toBe('first');
  });

  it('a task tracker settles although a task rejects, because the caller handles the rejection', async () => {
    const tracker = createTaskTracker();
    const task = tracker.track(Promise.reject(new Error('failed')));
    await tracker.settle();
    await expect(task).rejects.toThrow('failed');
  });

  it('a task tracker does not let an unhandled rejection end the process', async () => {
    const tracker = createTaskTracker();
    void tracker.track(Promise.reject(new Error('failed')));
    await tracker.settle();
    await new Promise((resolve) => setImmediate(resolve));
  });

  it('a task tracker does not wait for tasks that were added after the call', async () => {
    const tracker = createTaskTracker();
    const settled = tracker.settle();
    void tracker.track(Promise.withResolvers<void>().promise);
    await settled;
  });
});
