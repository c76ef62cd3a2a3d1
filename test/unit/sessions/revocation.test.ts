import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Provider } from '../../../src/provider/provider.ts';
import { createRevocations } from '../../../src/sessions/revocation.ts';
import { collectLog } from '../log-lines.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** Revocations at a provider that fails as long as it is told to. */
function openRevocations() {
  const asked: string[] = [];
  const state = { isDown: false };
  const provider = {
    async revoke(refreshToken: string) {
      asked.push(refreshToken);
      if (state.isDown) throw new Error('503');
    },
  } as Provider;
  const { log, lines } = collectLog();
  return { revocations: createRevocations({ provider, log }), asked, state, lines };
}

describe('a revocation', () => {
  it('is made once when it succeeds (D7)', async () => {
    const { revocations, asked } = openRevocations();
    await revocations.revoke('rt');
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(asked).toEqual(['rt']);
  });

  it('that fails settles all the same, and is made again after 1, 5, 30 and 120 seconds (D8)', async () => {
    const { revocations, asked, state } = openRevocations();
    state.isDown = true;
    await revocations.revoke('rt');
    for (const [already, pauseMs] of [1_000, 5_000, 30_000, 120_000].entries()) {
      await vi.advanceTimersByTimeAsync(pauseMs - 1);
      expect(asked).toHaveLength(already + 1);
      await vi.advanceTimersByTimeAsync(1);
      expect(asked).toHaveLength(already + 2);
    }
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(asked).toHaveLength(5);
  });

  it('is not made again once it has succeeded (D8)', async () => {
    const { revocations, asked, state } = openRevocations();
    state.isDown = true;
    await revocations.revoke('rt');
    state.isDown = false;
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(asked).toHaveLength(2);
  });

  it('is said in the log when it fails and when it is given up, without the token (E23)', async () => {
    const { revocations, state, lines } = openRevocations();
    state.isDown = true;
    await revocations.revoke('canary');
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(lines.map((line) => JSON.parse(line).level)).toEqual(['warn', 'warn', 'warn', 'warn', 'error']);
    expect(lines.join('')).not.toContain('canary');
  });
});

describe('settling', () => {
  it('waits for what is under way', async () => {
    const answer = Promise.withResolvers<void>();
    const provider = { revoke: () => answer.promise } as unknown as Provider;
    const revocations = createRevocations({ provider, log: collectLog().log });
    void revocations.revoke('rt');
    let settled = false;
    const settling = revocations.settle().then(() => (settled = true));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(settled).toBe(false);
    answer.resolve();
    await settling;
    expect(settled).toBe(true);
  });

  it('makes the waiting ones at once, one last time (G18)', async () => {
    const { revocations, asked, state } = openRevocations();
    state.isDown = true;
    await revocations.revoke('one');
    await revocations.revoke('two');
    await revocations.settle();
    expect(asked).toEqual(['one', 'two', 'one', 'two']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('ends at once when there is nothing to do', async () => {
    await openRevocations().revocations.settle();
  });
});
