import { describe, expect, it } from 'vitest';
import { createSemaphore } from '../../../src/concurrency/semaphore.ts';

/** Callers of a turnstile that go in and out as the test says. */
function openTurnstile(limit: number) {
  const turnstile = createSemaphore(limit);
  const inside: string[] = [];
  const ways = new Map<string, PromiseWithResolvers<string>>();
  const enter = (name: string) => {
    const way = Promise.withResolvers<string>();
    ways.set(name, way);
    return turnstile.run(() => {
      inside.push(name);
      return way.promise;
    });
  };
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return { enter, inside, settle, leave: (name: string) => ways.get(name)?.resolve(name), ways };
}

describe('the turnstile', () => {
  it('lets so many in at once, and the others in the order in which they came (G22)', async () => {
    const { enter, inside, leave, settle } = openTurnstile(2);
    const all = Promise.all(['a', 'b', 'c', 'd'].map(enter));
    await settle();
    expect(inside).toEqual(['a', 'b']);
    leave('b');
    await settle();
    expect(inside).toEqual(['a', 'b', 'c']);
    leave('a');
    leave('c');
    leave('d');
    expect(await all).toEqual(['a', 'b', 'c', 'd']);
    expect(inside).toEqual(['a', 'b', 'c', 'd']);
  });

  it('hands the place on when a call fails, and passes the failure to its caller', async () => {
    const { enter, inside, leave, settle, ways } = openTurnstile(1);
    const failing = enter('a');
    const next = enter('b');
    ways.get('a')?.reject(new Error('it failed'));
    await expect(failing).rejects.toThrow('it failed');
    await settle();
    expect(inside).toEqual(['a', 'b']);
    leave('b');
    expect(await next).toBe('b');
  });

  it('lets nobody slip in between a leaver and who waits', async () => {
    const { enter, inside, leave, settle } = openTurnstile(1);
    void enter('a');
    void enter('b');
    leave('a');
    void enter('c');
    await settle();
    void enter('d');
    await settle();
    expect(inside).toEqual(['a', 'b']);
    leave('b');
    await settle();
    expect(inside).toEqual(['a', 'b', 'c']);
  });

  it('has its places free again when all have left', async () => {
    const { enter, inside, leave, settle } = openTurnstile(2);
    for (const name of ['a', 'b', 'c']) void enter(name);
    for (const name of ['a', 'b', 'c']) leave(name);
    await settle();
    void enter('d');
    void enter('e');
    await settle();
    expect(inside).toEqual(['a', 'b', 'c', 'd', 'e']);
  });
});
