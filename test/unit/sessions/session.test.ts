import { describe, expect, it } from 'vitest';
import { isOver, sessionEndsAtMs } from '../../../src/sessions/session.ts';
import { sampleSession, sampleStored } from './sample.ts';

const nowMs = Date.UTC(2026, 0, 15);

describe('a session', () => {
  it('ends at its absolute limit, however much it is used (E8)', () => {
    const session = sampleSession(nowMs);
    expect(sessionEndsAtMs(session)).toBe(nowMs + 3_600_000);
    const stored = sampleStored(nowMs, { session, idleExpiresAtMs: Infinity });
    expect(isOver(stored, nowMs + 3_599_999, 0)).toBe(false);
    expect(isOver(stored, nowMs + 3_600_000, 0)).toBe(true);
  });

  it('ends when it is idle, before that (E7)', () => {
    const stored = sampleStored(nowMs);
    expect(isOver(stored, nowMs + 1_799_999, 0)).toBe(false);
    expect(isOver(stored, nowMs + 1_800_000, 0)).toBe(true);
  });

  it('ends with all of its generation (D24)', () => {
    const stored = sampleStored(nowMs);
    const younger = { ...stored, session: { ...stored.session, generation: 5 } };
    expect([isOver(stored, nowMs, 0), isOver(stored, nowMs, 5)]).toEqual([false, true]);
    expect([isOver(younger, nowMs, 5), isOver(younger, nowMs, 6)]).toEqual([false, true]);
  });

  it('ends with the known life of its refresh token, which never makes it longer (A19, G20)', () => {
    const withEnd = (refreshExpiresAtMs: number) => {
      const session = sampleSession(nowMs);
      return { ...session, tokens: { ...session.tokens, refreshExpiresAtMs } };
    };
    expect(sessionEndsAtMs(withEnd(nowMs + 60_000))).toBe(nowMs + 60_000);
    expect(sessionEndsAtMs(withEnd(nowMs + 7_200_000))).toBe(nowMs + 3_600_000);
    expect(isOver(sampleStored(nowMs, { session: withEnd(nowMs + 60_000) }), nowMs + 60_000, 0)).toBe(true);
  });
});
