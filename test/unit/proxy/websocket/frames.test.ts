import { describe, expect, it } from 'vitest';
import { closeFrame, createFrameTracker } from '../../../../src/proxy/websocket/frames.ts';

/** An unmasked frame of text as a server sends it, with the least header for its length. */
function frame(length: number): Buffer {
  const payload = Buffer.alloc(length, 0x81);
  if (length < 126) return Buffer.concat([Buffer.of(0x81, length), payload]);
  if (length < 65_536) return Buffer.concat([Buffer.of(0x81, 126, length >> 8, length & 0xff), payload]);
  const header = Buffer.alloc(10);
  header.writeUInt16BE(0x81_7f);
  header.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([header, payload]);
}

const lengths = [0, 1, 125, 126, 127, 129, 65_535, 65_536, 70_000];

describe('the frame tracker', () => {
  it('is between two frames before the first', () => {
    expect(createFrameTracker().isBetweenFrames()).toBe(true);
  });

  it.each(lengths)(
    'is between two frames exactly at the end of a frame of %i bytes that arrives byte by byte',
    (length) => {
      const tracker = createFrameTracker();
      const bytes = frame(length);
      const ends: number[] = [];
      for (let at = 0; at < bytes.length; at += 1) {
        tracker.feed(bytes.subarray(at, at + 1));
        if (tracker.isBetweenFrames()) ends.push(at + 1);
      }
      expect(ends).toEqual([bytes.length]);
    },
  );

  it('does not depend on how the stream is split', () => {
    const frames = lengths.map(frame);
    const stream = Buffer.concat(frames);
    const borders = frames.map((_frame, at) => Buffer.concat(frames.slice(0, at + 1)).length);
    for (const step of [1, 2, 3, 7, 64, 1_000, 65_537, stream.length]) {
      const tracker = createFrameTracker();
      const ends = new Set<number>();
      const rests: number[] = [];
      for (let at = 0; at < stream.length; at += step) {
        const piece = stream.subarray(at, at + step);
        const end = tracker.feed(piece);
        if (end > 0) ends.add(at + end);
        if (tracker.isBetweenFrames()) rests.push(at + piece.length);
      }
      expect(rests).toEqual(borders.filter((border) => border % step === 0 || border === stream.length));
      expect([...ends]).toEqual(lastBorders(borders, step));
    }
  });

  it('reports how much of a chunk ends with a whole frame', () => {
    const tracker = createFrameTracker();
    const two = Buffer.concat([frame(3), frame(200)]);
    expect(tracker.feed(two.subarray(0, 4))).toBe(0);
    expect(tracker.feed(two.subarray(4, 8))).toBe(1);
    expect(tracker.feed(two.subarray(8))).toBe(two.length - 8);
    expect(tracker.feed(Buffer.concat([frame(0), frame(0), frame(9).subarray(0, 1)]))).toBe(4);
  });

  it('accepts an empty chunk', () => {
    const tracker = createFrameTracker();
    tracker.feed(Buffer.alloc(0));
    expect(tracker.isBetweenFrames()).toBe(true);
    tracker.feed(frame(5).subarray(0, 3));
    tracker.feed(Buffer.alloc(0));
    expect(tracker.isBetweenFrames()).toBe(false);
  });

  it('follows a frame longer than any memory to its end', () => {
    const tracker = createFrameTracker();
    tracker.feed(Buffer.of(0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff));
    tracker.feed(Buffer.alloc(100_000));
    expect(tracker.isBetweenFrames()).toBe(false);
  });
});

describe('a close frame', () => {
  it.each([
    [1_001, [0x88, 0x02, 0x03, 0xe9]],
    [1_008, [0x88, 0x02, 0x03, 0xf0]],
  ])('contains %i, unmasked, as a server sends it (RFC 6455, section 5.5.1)', (code, bytes) => {
    expect([...closeFrame(code)]).toEqual(bytes);
  });

  it('is one whole frame', () => {
    const tracker = createFrameTracker();
    tracker.feed(closeFrame(1_000));
    expect(tracker.isBetweenFrames()).toBe(true);
  });
});

/** The last border in each piece of this length that has one. */
function lastBorders(borders: readonly number[], step: number): number[] {
  return borders.filter((border, at) => {
    const next = borders[at + 1];
    return next === undefined || Math.ceil(next / step) !== Math.ceil(border / step);
  });
}
