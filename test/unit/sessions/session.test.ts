import { describe, expect, it } from 'vitest';
import { isOver, sessionEndsAtMs } from '../../../src/sessions/session.ts';
import { sampleData, sampleRecord } from './sample.ts';

const nowMs = Date.UTC(2026, 0, 15);

describe('the end of a session', () => {
  it('comes at its absolute limit, however much it is used (E8)', () => {
    const data = sampleData(nowMs);
    expect(sessionEndsAtMs(data)).toBe(nowMs + 3_600_000);
    const record = sampleRecord(nowMs, { data, idleExpiresAtMs: Infinity });
    expect(isOver(record, nowMs + 3_599_999, 0)).toBe(false);
    expect(isOver(record, nowMs + 3_600_000, 0)).toBe(true);
  });

  it('comes at its idle limit before that (E7)', () => {
    const record = sampleRecord(nowMs);
    expect(isOver(record, nowMs + 1_799_999, 0)).toBe(false);
    expect(isOver(record, nowMs + 1_800_000, 0)).toBe(true);
  });

  it('comes with the end of its generation (D24)', () => {
    const record = sampleRecord(nowMs);
    const younger = { ...record, data: { ...record.data, generation: 5 } };
    expect([isOver(record, nowMs, 0), isOver(record, nowMs, 5)]).toEqual([false, true]);
    expect([isOver(younger, nowMs, 5), isOver(younger, nowMs, 6)]).toEqual([false, true]);
  });

  it('comes with the known expiry of its refresh token, which never extends it (A19, G20)', () => {
    const withEnd = (refreshExpiresAtMs: number) => {
      const data = sampleData(nowMs);
      return { ...data, tokens: { ...data.tokens, refreshExpiresAtMs } };
    };
    expect(sessionEndsAtMs(withEnd(nowMs + 60_000))).toBe(nowMs + 60_000);
    expect(sessionEndsAtMs(withEnd(nowMs + 7_200_000))).toBe(nowMs + 3_600_000);
    expect(isOver(sampleRecord(nowMs, { data: withEnd(nowMs + 60_000) }), nowMs + 60_000, 0)).toBe(true);
  });
});
