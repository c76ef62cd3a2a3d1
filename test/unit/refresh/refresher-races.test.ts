import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { codeOf, lapsingOnce, EXPIRED_MS, run, signIn, withTokens } from './requests.ts';
import { failure, LOCK_WAIT_MS, openRefresher, refreshed } from './fixture.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe('a record that another process has changed', () => {
  it('is read again under the lock, and its new token is used (G7)', async () => {
    const { begin, refresher, locks, store, calls, counted } = openRefresher();
    const record = await begin(EXPIRED_MS);
    const lease = await locks.acquire(record.key, Date.now() + 1_000);
    const waiting = refresher.fresh(record, signIn);
    await store.replace(record.key, withTokens(record, '9'), 1);
    await lease?.release();
    expect((await run(waiting)).accessToken).toBe('at-9');
    expect(calls).toEqual([]);
    expect(await counted('reused')).toBe(1);
  });

  it('is refreshed again if its new token has expired by now', async () => {
    const { begin, refresher, store, calls } = openRefresher();
    const record = await begin();
    await store.replace(record.key, withTokens(record, '9'), 1);
    await vi.advanceTimersByTimeAsync(EXPIRED_MS);
    expect((await run(refresher.fresh(record, signIn))).accessToken).toBe('at-2');
    expect(calls.map(({ refreshToken }) => refreshToken)).toEqual(['rt-9']);
  });

  it('ends the wait if the session has ended meanwhile (G14)', async () => {
    const { begin, refresher, locks, sessions, calls } = openRefresher();
    const record = await begin(EXPIRED_MS);
    const lease = await locks.acquire(record.key, Date.now() + 1_000);
    const waiting = codeOf(refresher.fresh(record, signIn));
    await sessions.end(record.key, 'logout');
    await lease?.release();
    expect(await waiting).toBe('session_expired');
    expect(calls).toEqual([]);
  });

  it('ends the wait with 503 if the lock is never released (G24)', async () => {
    const { begin, refresher, locks, calls } = openRefresher();
    const record = await begin(EXPIRED_MS);
    await locks.acquire(record.key, Date.now() + 1_000);
    const waiting = codeOf(refresher.fresh(record, signIn));
    await vi.advanceTimersByTimeAsync(LOCK_WAIT_MS);
    expect(await waiting).toBe('provider_unavailable');
    expect(calls).toEqual([]);
  });

  it('is read again if the lock expired before the request was sent, since another process may have refreshed (G7)', async () => {
    const { beginRefresh, calls, store } = openRefresher({ locks: lapsingOnce() });
    const { record, waiting, respond } = await beginRefresh();
    await store.replace(record.key, withTokens(record, '9'), 1);
    respond(failure.transient);
    expect((await run(waiting)).accessToken).toBe('at-9');
    expect(calls).toHaveLength(1);
  });

  it('is refreshed under a new lock if the first lock expired and no other process has refreshed (G7)', async () => {
    const { begin, refresher, outcomes, calls } = openRefresher({ locks: lapsingOnce() });
    const record = await begin(EXPIRED_MS);
    outcomes.push(failure.transient);
    expect((await run(refresher.fresh(record, signIn))).accessToken).toBe('at-3');
    expect(calls).toHaveLength(2);
  });
});

describe('a session that ends while its token is refreshed', () => {
  it('stays ended, and its new refresh token is revoked (G14)', async () => {
    const { beginRefresh, sessions, store, revoked } = openRefresher();
    const { record, waiting, respond } = await beginRefresh();
    await sessions.end(record.key, 'logout');
    respond(refreshed(2));
    expect(await codeOf(waiting)).toBe('session_expired');
    expect(await store.loadRecord(record.key)).toBeUndefined();
    expect(revoked).toEqual(['rt-1', 'rt-2']);
  });
});

describe('a record that another process writes during the refresh', () => {
  it('is used as the other process wrote it (G7)', async () => {
    const { beginRefresh, store, counted } = openRefresher();
    const { record, waiting, respond } = await beginRefresh();
    await store.replace(record.key, withTokens(record, '9'), 1);
    respond(refreshed(2));
    expect((await run(waiting)).accessToken).toBe('at-9');
    expect((await store.loadRecord(record.key))?.data.tokens.access['']?.value).toBe('at-9');
    expect(await counted('failed')).toBe(1);
  });
});

describe('new tokens that cannot be written', () => {
  it('are used from memory, and no other process may use the old refresh token until they are stored (G16)', async () => {
    const { beginRefresh, locks, store } = openRefresher();
    const { record, waiting, respond } = await beginRefresh();
    store.isUnavailable = true;
    respond(refreshed(2));
    expect((await run(waiting)).accessToken).toBe('at-2');

    const other = locks.acquire(record.key, Date.now() + 60_000);
    let hasLock = false;
    void other.then(() => (hasLock = true));
    await vi.advanceTimersByTimeAsync(30_000);
    expect(hasLock).toBe(false);
    store.isUnavailable = false;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(hasLock).toBe(true);
    expect((await store.loadRecord(record.key))?.data.tokens.refreshToken).toBe('rt-2');
  });
});
