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
  it('settles at once when there is no task', async () => {
    await createTaskTracker().settle();
  });

  it('returns the task, and settles once every task has settled', async () => {
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

  it('settles although a task rejects, which is the business of its caller', async () => {
    const tracker = createTaskTracker();
    const task = tracker.track(Promise.reject(new Error('failed')));
    await tracker.settle();
    await expect(task).rejects.toThrow('failed');
  });

  it('does not let a rejection that nobody awaits end the process', async () => {
    const tracker = createTaskTracker();
    void tracker.track(Promise.reject(new Error('failed')));
    await tracker.settle();
    await new Promise((resolve) => setImmediate(resolve));
  });

  it('does not wait for tasks that are tracked only after it was asked', async () => {
    const tracker = createTaskTracker();
    const settled = tracker.settle();
    void tracker.track(Promise.withResolvers<void>().promise);
    await settled;
  });
});
