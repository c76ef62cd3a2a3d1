import { expect, it } from 'vitest';
import { createSpanIds } from '../../../../src/observability/tracing/span-ids.ts';

it('each id of a span has 16 hexadecimal digits and is used once', () => {
  const next = createSpanIds();
  const ids = Array.from({ length: 1_000 }, next);
  expect(ids.filter((id) => !/^[0-9a-f]{16}$/.test(id))).toEqual([]);
  expect(new Set(ids).size).toBe(1_000);
});
