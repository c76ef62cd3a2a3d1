import { describe, expect, it } from 'vitest';
import { size } from '../../../../src/config/values/size.ts';

describe('a size', () => {
  it.each([
    [0, 0],
    [512, 512],
    ['512', 512],
    ['10b', 10],
    ['64kb', 65_536],
    ['64KB', 65_536],
    ['1mb', 1_048_576],
    ['2gb', 2_147_483_648],
  ])('reads the size %o as %i bytes', (written, bytes) => {
    expect(size().parse(written)).toBe(bytes);
  });

  it.each(['', '-1', -1, 1.5, '1.5mb', '64 kb', '64k', '1tb', 'mb', '999999999999gb', true, null])(
    'rejects the size %o',
    (written) => {
      expect(size().safeParse(written).error?.issues[0]?.message).toBe(
        'expected a size such as 64kb or 1mb, or a number of bytes',
      );
    },
  );
});
