import { describe, expect, it } from 'vitest';
import { createWriteMemory } from '../../../../src/sessions/store/write-memory.ts';
import { createTestClock } from '../../clock.ts';

const MINUTE = 60_000;
const MIB = 1024 * 1024;

function openMemory() {
  const clock = createTestClock();
  const memory = createWriteMemory({ clock: clock.now });
  const record = (version: number, bytes = 100) => ({ version, envelope: Buffer.alloc(bytes), endsAtMs: 0 });
  return { clock, memory, record };
}

describe('the write memory', () => {
  it('treats every version as current for which it knows no newer one', () => {
    const { memory, record } = openMemory();
    expect(memory.compare('one', 1)).toEqual({ kind: 'current' });
    memory.wrote('one', record(2));
    memory.heard('two', 2);
    expect(memory.compare('one', 2)).toEqual({ kind: 'current' });
    expect(memory.compare('one', 3)).toEqual({ kind: 'current' });
    expect(memory.compare('two', 2)).toEqual({ kind: 'current' });
  });

  it('returns the newer record that the process wrote', () => {
    const { memory, record } = openMemory();
    const newest = record(3);
    memory.wrote('one', record(2));
    memory.wrote('one', newest);
    expect(memory.compare('one', 1)).toEqual({ kind: 'behind', written: newest });
    expect(memory.writtenOf('one')).toBe(newest);
  });

  it('returns no record that another process has replaced', () => {
    const { memory, record } = openMemory();
    memory.wrote('one', record(2));
    memory.heard('one', 3);
    expect(memory.writtenOf('one')).toBeUndefined();
    expect(memory.compare('one', 2)).toEqual({ kind: 'behind' });
  });

  it('waits a minute for a newer version that only others have, counted from when it was missed', () => {
    const { clock, memory } = openMemory();
    memory.heard('one', 2);
    clock.advance(10 * MINUTE);
    expect(memory.compare('one', 1)).toEqual({ kind: 'behind' });
    clock.advance(MINUTE - 1);
    expect(memory.compare('one', 1)).toEqual({ kind: 'behind' });
    clock.advance(1);
    expect(memory.compare('one', 1)).toEqual({ kind: 'current' });
  });

  it('restarts that minute when the newer version has been seen again', () => {
    const { clock, memory } = openMemory();
    memory.heard('one', 2);
    memory.compare('one', 1);
    memory.compare('one', 2);
    clock.advance(MINUTE);
    expect(memory.compare('one', 1)).toEqual({ kind: 'behind' });
  });

  it('never restores a session that has ended', () => {
    const { memory, record } = openMemory();
    memory.wrote('one', record(2));
    memory.ended('one');
    memory.wrote('one', record(3));
    expect(memory.compare('one', 3)).toEqual({ kind: 'ended' });
    expect(memory.writtenKeys()).toEqual([]);
  });

  it('lists the newest write first', () => {
    const { memory, record } = openMemory();
    for (const key of ['one', 'two', 'three', 'one']) memory.wrote(key, record(2));
    expect(memory.writtenKeys()).toEqual(['one', 'three', 'two']);
  });

  it('keeps a record for an hour', () => {
    const { clock, memory, record } = openMemory();
    memory.wrote('one', record(2));
    clock.advance(60 * MINUTE - 1);
    expect(memory.writtenOf('one')).toBeDefined();
    clock.advance(1);
    expect(memory.writtenOf('one')).toBeUndefined();
  });

  it('keeps the newest records, at most 16 MiB', () => {
    const { memory, record } = openMemory();
    for (let at = 1; at <= 20; at += 1) memory.wrote(`k${at}`, record(2, MIB));
    expect(memory.writtenKeys()).toHaveLength(16);
    expect(memory.writtenOf('k4')).toBeUndefined();
    expect(memory.writtenOf('k5')).toBeDefined();
  });

  it('returns a record also after messages about the versions of 20,000 other sessions', () => {
    const { memory, record } = openMemory();
    memory.wrote('one', record(2));
    for (let at = 0; at < 20_000; at += 1) memory.heard(`k${at}`, 2);
    expect(memory.compare('one', 1)).toMatchObject({ kind: 'behind', written: { version: 2 } });
  });
});
