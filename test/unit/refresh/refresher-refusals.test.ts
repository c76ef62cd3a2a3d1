import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Credential } from '../../../src/refresh/credential.ts';
import { codeOf, run, sentWith } from './requests.ts';
import { failure, openRefresher } from './fixture.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe('after an upstream has rejected a token', () => {
  it('returns a refreshed token to all rejected requests (G8)', async () => {
    const { begin, refresher, calls } = openRefresher();
    const record = await begin();
    const refused = sentWith(record, 'at-1');
    const others = await run(
      Promise.all(Array.from({ length: 50 }, () => refresher.afterRefusal(refused, '/api'))),
    );
    expect(new Set(others.map((other) => other?.accessToken))).toEqual(new Set(['at-2']));
    expect(calls).toHaveLength(1);
  });

  it('returns the token that was refreshed since, without another refresh (G8)', async () => {
    const { begin, refresher, calls, counted } = openRefresher();
    const record = await begin();
    const refused = sentWith(record, 'at-1');
    await run(refresher.afterRefusal(refused, '/api'));
    expect(await run(refresher.afterRefusal(refused, '/api'))).toMatchObject({ accessToken: 'at-2' });
    expect(calls).toHaveLength(1);
    expect(await counted('reused')).toBe(1);
  });

  it('returns none if the session has no refresh token, and keeps the session', async () => {
    const { signIn: start, recordOf: readSession, refresher, store } = openRefresher();
    const record = await readSession(await start({ tokenResponse: { accessToken: 'at-1' } }));
    expect(await run(refresher.afterRefusal(sentWith(record, 'at-1'), '/api'))).toBeUndefined();
    expect(await store.loadRecord(record.key)).toBeDefined();
  });

  it.each([
    ['transient', failure.transient],
    ['ambiguous', failure.ambiguous],
    ['misconfigured', failure.misconfigured],
  ])(
    'responds provider_unavailable when the refresh is %s: a bare 401 would read as a sign-out',
    async (_kind, outcome) => {
      const { begin, refresher, outcomes, store } = openRefresher({ retries: 0 });
      const record = await begin();
      outcomes.push(outcome);
      expect(await codeOf(refresher.afterRefusal(sentWith(record, 'at-1'), '/api'))).toBe(
        'provider_unavailable',
      );
      expect(await store.loadRecord(record.key)).toEqual(record);
    },
  );

  it('responds store_unavailable when the store is: a bare 401 would read as a sign-out', async () => {
    const { begin, refresher, store } = openRefresher();
    const record = await begin();
    store.isUnavailable = true;
    expect(await codeOf(refresher.afterRefusal(sentWith(record, 'at-1'), '/api'))).toBe('store_unavailable');
    store.isUnavailable = false;
    expect(await store.loadRecord(record.key)).toEqual(record);
  });

  it('throws if the refresh ends the session (G11)', async () => {
    const { begin, refresher, outcomes } = openRefresher();
    const record = await begin();
    outcomes.push(failure.rejected);
    expect(await codeOf(refresher.afterRefusal(sentWith(record, 'at-1'), '/api'))).toBe('session_expired');
  });

  it('returns none for a new token that was rejected, without a call to the provider (G8)', async () => {
    const { begin, refresher, calls } = openRefresher();
    const record = await begin();
    const refreshed = await run(refresher.afterRefusal(sentWith(record, 'at-1'), '/api'));
    if (refreshed === undefined) throw new Error('no other token');
    refresher.refusedAgain(refreshed, '/api');
    await refresher.settle();
    for (let again = 0; again < 20; again += 1)
      expect(await run(refresher.afterRefusal(refreshed, '/api'))).toBeUndefined();
    expect(calls).toHaveLength(1);
  });

  it('returns another token for another route, whose upstream has not rejected the new one (G8)', async () => {
    const { begin, refresher, calls } = openRefresher();
    const record = await begin();
    const refreshed = await run(refresher.afterRefusal(sentWith(record, 'at-1'), '/api'));
    if (refreshed === undefined) throw new Error('no other token');
    refresher.refusedAgain(refreshed, '/api');
    await refresher.settle();
    expect((await run(refresher.afterRefusal(refreshed, '/other')))?.accessToken).toBe('at-3');
    expect(calls).toHaveLength(2);
  });

  it('returns none after three useless refreshes in a minute, across all processes (G8)', async () => {
    const { begin, refresher, calls, store } = openRefresher();
    let current: Credential = sentWith(await begin(), 'at-1');
    for (let round = 0; round < 3; round += 1) {
      const other = await run(refresher.afterRefusal(current, `/route-${round}`));
      if (other === undefined) throw new Error('no other token');
      current = other;
      refresher.refusedAgain(current, `/route-${round}`);
      await run(refresher.settle());
    }
    expect((await store.loadRecord(current.session.key))?.data.upstreamRefusalsAtMs).toHaveLength(3);
    expect(await run(refresher.afterRefusal(current, '/another'))).toBeUndefined();
    expect(calls).toHaveLength(3);
    await vi.advanceTimersByTimeAsync(60_000);
    expect((await run(refresher.afterRefusal(current, '/another')))?.accessToken).toBe('at-5');
  });

  it('does not count a refresh whose token was accepted', async () => {
    const { begin, refresher, store } = openRefresher();
    const record = await begin();
    await run(refresher.afterRefusal(sentWith(record, 'at-1'), '/api'));
    expect((await store.loadRecord(record.key))?.data.upstreamRefusalsAtMs ?? []).toEqual([]);
  });
});
