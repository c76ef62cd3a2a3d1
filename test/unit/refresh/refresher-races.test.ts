import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { codeOf, lapsingOnce, EXPIRED_MS, run, signIn, withTokens } from './requests.ts';
import { failure, LOCK_WAIT_MS, openRefresher, refreshed } from './fixture.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe('a store that has moved on', () => {
  it('is read again under the lock: what another process renewed is used (G7)', async () => {
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

  it('is renewed again when what another process renewed is over by now', async () => {
    const { begin, refresher, store, calls } = openRefresher();
    const record = await begin();
    await store.replace(record.key, withTokens(record, '9'), 1);
    await vi.advanceTimersByTimeAsync(EXPIRED_MS);
    expect((await run(refresher.fresh(record, signIn))).accessToken).toBe('at-2');
    expect(calls.map(({ refreshToken }) => refreshToken)).toEqual(['rt-9']);
  });

  it('ends the wait when the session has ended meanwhile (G14)', async () => {
    const { begin, refresher, locks, sessions, calls } = openRefresher();
    const record = await begin(EXPIRED_MS);
    const lease = await locks.acquire(record.key, Date.now() + 1_000);
    const waiting = codeOf(refresher.fresh(record, signIn));
    await sessions.end(record.key, 'logout');
    await lease?.release();
    expect(await waiting).toBe('session_expired');
    expect(calls).toEqual([]);
  });

  it('keeps nobody waiting for ever: a lock that is not given up is 503 (G24)', async () => {
    const { begin, refresher, locks, calls } = openRefresher();
    const record = await begin(EXPIRED_MS);
    await locks.acquire(record.key, Date.now() + 1_000);
    const waiting = codeOf(refresher.fresh(record, signIn));
    await vi.advanceTimersByTimeAsync(LOCK_WAIT_MS);
    expect(await waiting).toBe('provider_unavailable');
    expect(calls).toEqual([]);
  });

  it('is looked at again when the lock lapsed before anything was sent: another process may have been first (G7)', async () => {
    const { beginRefresh, calls, store } = openRefresher({ locks: lapsingOnce() });
    const { record, waiting, respond } = await beginRefresh();
    await store.replace(record.key, withTokens(record, '9'), 1);
    respond(failure.transient);
    expect((await run(waiting)).accessToken).toBe('at-9');
    expect(calls).toHaveLength(1);
  });

  it('is spent under a new lock when the first one lapsed and nobody else was first (G7)', async () => {
    const { begin, refresher, outcomes, calls } = openRefresher({ locks: lapsingOnce() });
    const record = await begin(EXPIRED_MS);
    outcomes.push(failure.transient);
    expect((await run(refresher.fresh(record, signIn))).accessToken).toBe('at-3');
    expect(calls).toHaveLength(2);
  });
});

describe('a session that ends while its token is renewed', () => {
  it('does not come back, and its new refresh token is given back (G14)', async () => {
    const { beginRefresh, sessions, store, revoked } = openRefresher();
    const { record, waiting, respond } = await beginRefresh();
    await sessions.end(record.key, 'logout');
    respond(refreshed(2));
    expect(await codeOf(waiting)).toBe('session_expired');
    expect(await store.loadRecord(record.key)).toBeUndefined();
    expect(revoked).toEqual(['rt-1', 'rt-2']);
  });
});

describe('a record that somebody else has written meanwhile', () => {
  it('is used as they wrote it (G7)', async () => {
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
  it('are used from memory, and nobody else may spend the old refresh token until they are (G16)', async () => {
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
