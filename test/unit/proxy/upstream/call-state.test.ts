import { describe, expect, it } from 'vitest';
import { createCallStates, type CallState } from '../../../../src/proxy/upstream/call-state.ts';

/** The states of a call after these transitions; false stands for a rejected one. */
function movedThrough(...states: CallState[]): boolean[] {
  const call = createCallStates();
  return states.map((state) => call.move(state));
}

describe('the states of an upstream call', () => {
  it.each([
    [['sent', 'passing', 'settled']],
    [['sent', 'held', 'passing', 'settled']],
    [['sent', 'held', 'discarding', 'settled']],
    [['settled']],
    [['sent', 'settled']],
  ] as const)('accept the sequence %j', (states) => {
    expect(movedThrough(...states)).toEqual(states.map(() => true));
  });

  it('are final once the call has settled: it fails and passes nothing on', () => {
    const call = createCallStates();
    expect(call.move('settled')).toBe(true);
    for (const state of ['sent', 'held', 'passing', 'discarding', 'settled'] as const)
      expect(call.move(state)).toBe(false);
    expect(call.current()).toBe('settled');
  });

  it('never go back, and a discarded response is never passed to the browser', () => {
    expect(movedThrough('sent', 'held', 'discarding', 'passing')).toEqual([true, true, true, false]);
    expect(movedThrough('sent', 'queued')).toEqual([true, false]);
  });
});
