import { expect, it } from 'vitest';
import { createRefreshLimit } from '../../../src/refresh/refresh-limit.ts';
import { createAudience, type Audience } from '../../../src/tokens/audience.ts';
import { createTestClock } from '../clock.ts';
import { openSessions } from '../sessions/fixture.ts';

const PER_MINUTE = 2;
const audience = (n: number) => createAudience([`scope-${n}`], []);

async function openLimit() {
  const clock = createTestClock();
  const { signIn, recordOf } = openSessions(clock.now);
  const record = await recordOf(await signIn());
  return { clock, record, limit: createRefreshLimit({ perMinute: PER_MINUTE, clock: clock.now }) };
}

it('allows each audience of a session maxPerMinute refreshes, and more a minute later', async () => {
  const { clock, record, limit } = await openLimit();
  for (const each of [1, 2]) {
    expect([1, 2, 3].map(() => limit.take(record, audience(each)))).toEqual([0, 0, 60_000]);
  }
  clock.advance(60_000);
  expect(limit.take(record, audience(1))).toBe(0);
});

it('allows a session ten times as many refreshes as one of its audiences', async () => {
  const { record, limit } = await openLimit();
  const takeMany = (count: number) =>
    Array.from({ length: count }, (_, n) => limit.take(record, audience(n)));
  expect(takeMany(10 * PER_MINUTE)).toEqual(Array(10 * PER_MINUTE).fill(0));
  expect(limit.take(record, audience(100))).toBe(60_000);
});

it('counts the refreshes that other processes have written into the record of the session', async () => {
  const { clock, record, limit } = await openLimit();
  const refreshedElsewhere = (audiences: readonly Audience[]) => {
    let { data } = record;
    for (const each of audiences) data = { ...data, renewals: limit.renewalsWith(data, each, clock.now()) };
    return { ...record, data };
  };
  expect(limit.take(refreshedElsewhere([audience(1), audience(1)]), audience(1))).toBe(60_000);
  expect(limit.take(refreshedElsewhere([audience(1), audience(1)]), audience(2))).toBe(0);
  const many = Array.from({ length: 10 * PER_MINUTE }, (_, n) => audience(n));
  expect(limit.take(refreshedElsewhere(many), audience(100))).toBe(60_000);
  const earlier = refreshedElsewhere(many);
  clock.advance(60_000);
  expect(limit.take(earlier, audience(100))).toBe(0);
  expect(limit.renewals(earlier.data)).toEqual({});
});
