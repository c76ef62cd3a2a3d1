import { expect, it } from 'vitest';
import { createByteBuffer } from '../../../testkit/network/byte-buffer.ts';

it('the byte buffer returns all bytes in order, however they are added and taken', () => {
  const bytes = Buffer.from(Array.from({ length: 500_000 }, (_, at) => at % 251));
  const held = createByteBuffer();
  const taken: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 37_000) {
    held.append(bytes.subarray(at, at + 37_000));
    taken.push(held.take(20_000));
  }
  taken.push(held.take(held.view().length));
  expect(Buffer.concat(taken).equals(bytes)).toBe(true);
  expect(held.view()).toHaveLength(0);
});
