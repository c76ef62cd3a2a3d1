import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createDiscovery } from '../../../src/provider/discovery.ts';
import { collectLog } from '../log-lines.ts';

/** A discovery whose attempts the test ends one by one. */
function openDiscovery() {
  const looks: PromiseWithResolvers<string>[] = [];
  const { log, lines } = collectLog();
  const discovery = createDiscovery({
    discover() {
      const look = Promise.withResolvers<string>();
      looks.push(look);
      return look.promise;
    },
    onFound: () => undefined,
    issuer: 'https://login.example.com',
    log,
  });
  const settle = async (end: (look: PromiseWithResolvers<string>) => void) => {
    const last = looks.at(-1);
    if (last !== undefined) end(last);
    await vi.advanceTimersByTimeAsync(0);
  };
  return {
    discovery,
    looks,
    lines,
    find: () => settle((look) => look.resolve('found')),
    fail: () => settle((look) => look.reject(new Error('ECONNREFUSED'))),
  };
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe('discovery', () => {
  it('discovery returns the metadata it found and sends no further request', async () => {
    const { discovery, looks, find } = openDiscovery();
    expect(discovery.current()).toBeUndefined();
    void discovery.start();
    await find();
    expect(discovery.current()).toBe('found');
    expect(await discovery.get()).toBe('found');
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(looks).toHaveLength(1);
  });

  it('discovery makes one attempt at a time for any number of callers', async () => {
    const { discovery, looks, find } = openDiscovery();
    void discovery.start();
    const asked = Promise.all([discovery.get(), discovery.get(), discovery.get()]);
    await find();
    expect(await asked).toEqual(['found', 'found', 'found']);
    expect(looks).toHaveLength(1);
  });

  it('discovery fails with provider_unavailable and a retry time while the provider is down (C3)', async () => {
    const { discovery, fail } = openDiscovery();
    const asked = discovery.get().catch((error: unknown) => error);
    await fail();
    expect(await asked).toMatchObject({ code: 'provider_unavailable', options: { retryAfterSeconds: 5 } });
  });

  it('discovery retries at once for a caller, whatever is left of the pause (C3)', async () => {
    const { discovery, looks, fail, find } = openDiscovery();
    void discovery.start();
    await fail();
    const asked = discovery.get();
    expect(looks).toHaveLength(2);
    await find();
    expect(await asked).toBe('found');
  });

  it('discovery retries by itself after pauses that double up to half a minute (C3)', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(1);
    const { discovery, looks, fail } = openDiscovery();
    void discovery.start();
    const pauses = [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000];
    for (const [round, pauseMs] of pauses.entries()) {
      await fail();
      await vi.advanceTimersByTimeAsync(pauseMs - 1);
      expect(looks).toHaveLength(round + 1);
      await vi.advanceTimersByTimeAsync(1);
      expect(looks).toHaveLength(round + 2);
    }
    discovery.close();
  });

  it('discovery shortens each pause by up to a quarter at random, so that processes do not retry together', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0);
    const { discovery, looks, fail } = openDiscovery();
    void discovery.start();
    await fail();
    await vi.advanceTimersByTimeAsync(374);
    expect(looks).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(looks).toHaveLength(2);
    discovery.close();
  });

  it('discovery stops its own retries once the attempt of a caller has succeeded', async () => {
    const { discovery, looks, fail, find } = openDiscovery();
    void discovery.start();
    await fail();
    const asked = discovery.get();
    await find();
    await asked;
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(looks).toHaveLength(2);
  });

  it('discovery logs no failure of an attempt that its end has cut off', async () => {
    const { discovery, lines, fail } = openDiscovery();
    void discovery.start();
    discovery.close();
    await fail();
    expect(lines).toEqual([]);
  });

  it('discovery logs the first failure as an error, later ones at a lower level, and the recovery', async () => {
    const { discovery, lines, fail, find } = openDiscovery();
    void discovery.start();
    for (let round = 0; round < 4; round += 1) {
      await fail();
      await vi.advanceTimersByTimeAsync(30_000);
    }
    await find();
    expect(lines.map((line) => JSON.parse(line).level)).toEqual(['error', 'debug', 'debug', 'debug', 'info']);
  });

  it('discovery does not retry after it is closed, even if an attempt fails later', async () => {
    const { discovery, looks, fail } = openDiscovery();
    void discovery.start();
    discovery.close();
    await fail();
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(looks).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});
