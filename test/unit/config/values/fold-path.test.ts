import { describe, expect, it } from 'vitest';
import { foldPath } from '../../../../src/config/values/path.ts';

describe('foldPath', () => {
  it.each([
    ['/api/Admin', '/api/admin'],
    ['/api/admin.', '/api/admin'],
    ['/api/admin. ./x', '/api/admin/x'],
    ['/api/admin::$DATA', '/api/admin'],
    ['/api/admin:x/y', '/api/admin/y'],
    ['/api/a.b/c d', '/api/a.b/c d'],
    ['/', '/'],
  ])('folds %j to %j', (path, folded) => {
    expect(foldPath(path)).toBe(folded);
  });

  it('foldPath takes time linear in the length of the path', () => {
    const dots = `/${'.'.repeat(100_000)}x${':'.repeat(100_000)}`;
    expect(foldPath(dots)).toBe(`/${'.'.repeat(100_000)}x`);
  });
});
