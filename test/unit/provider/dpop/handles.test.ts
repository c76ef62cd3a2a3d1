import { expect, it } from 'vitest';
import { withOneDeadline } from '../../../../src/provider/dpop/handles.ts';

it('the second call of a fetch with one deadline has that of the first', async () => {
  const signals: unknown[] = [];
  const fetch = withOneDeadline(async (_url, { signal }) => {
    signals.push(signal);
    return new Response();
  });
  const [first, second] = [new AbortController(), new AbortController()];
  const options = { method: 'POST', headers: {}, body: null, redirect: 'manual' } as const;
  for (const { signal } of [first, second])
    await fetch('https://login.example/token', { ...options, signal });
  expect(signals).toEqual([first.signal, first.signal]);
  expect(signals[1]).toBe(first.signal);
});
