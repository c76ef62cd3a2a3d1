import { describe, expect, it } from 'vitest';
import { createSemaphore } from '../../../src/concurrency/semaphore.ts';

/** A semaphore whose actions begin and end as the test says. */
function openSemaphore(limit: number) {
  const semaphore = createSemaphore(limit);
  const running: string[] = [];
  const actions = new Map<string, PromiseWithResolvers<string>>();
  const begin = (name: string) => {
    const action = Promise.withResolvers<string>();
    actions.set(name, action);
    return semaphore.run(() => {
      running.push(name);
      return action.promise;
    });
  };
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return { begin, running, settle, end: (name: string) => actions.get(name)?.resolve(name), actions };
}

describe('a semaphore', () => {
  it('a semaphore admits a fixed number of callers at once, and the others in order of arrival (G22)', async () => {
    const { begin, running, end, settle } = openSemaphore(2);
    const all = Promise.all(['a', 'b', 'c', 'd'].map(begin));
    await settle();
    expect(running).toEqual(['a', 'b']);
    end('b');
    await settle();
    expect(running).toEqual(['a', 'b', 'c']);
    end('a');
    end('c');
    end('d');
    expect(await all).toEqual(['a', 'b', 'c', 'd']);
    expect(running).toEqual(['a', 'b', 'c', 'd']);
  });

  it('a semaphore passes the slot on when a call fails, and the failure to its caller', async () => {
    const { begin, running, end, settle, actions } = openSemaphore(1);
    const failing = begin('a');
    const next = begin('b');
    actions.get('a')?.reject(new Error('it failed'));
    await expect(failing).rejects.toThrow('it failed');
    await settle();
    expect(running).toEqual(['a', 'b']);
    end('b');
    expect(await next).toBe('b');
  });

  it('a semaphore lets nobody overtake a waiter when a slot becomes free', async () => {
    const { begin, running, end, settle } = openSemaphore(1);
    void begin('a');
    void begin('b');
    end('a');
    void begin('c');
    await settle();
    void begin('d');
    await settle();
    expect(running).toEqual(['a', 'b']);
    end('b');
    await settle();
    expect(running).toEqual(['a', 'b', 'c']);
  });

  it('a semaphore has all slots free once all calls have ended', async () => {
    const { begin, running, end, settle } = openSemaphore(2);
    for (const name of ['a', 'b', 'c']) void begin(name);
    for (const name of ['a', 'b', 'c']) end(name);
    await settle();
    void begin('d');
    void begin('e');
    await settle();
    expect(running).toEqual(['a', 'b', 'c', 'd', 'e']);
  });
});
