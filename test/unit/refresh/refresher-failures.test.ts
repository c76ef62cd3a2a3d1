import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SessionView } from '../../../src/sessions/session.ts';
import { codeOf, EXPIRED_MS, run, signIn, withTokens } from './requests.ts';
import { failure, openRefresher, refreshed } from './fixture.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe('a rejected refresh', () => {
  it('ends the session for all waiting requests and is not retried (G11)', async () => {
    const { begin, refresher, outcomes, calls, store, revoked, counted } = openRefresher();
    const record = await begin(EXPIRED_MS);
    outcomes.push(failure.rejected);
    const codes = await Promise.all([1, 2, 3].map(() => codeOf(refresher.fresh(record, signIn))));
    expect(codes).toEqual(['session_expired', 'session_expired', 'session_expired']);
    expect(calls).toHaveLength(1);
    expect(await store.loadRecord(record.key)).toBeUndefined();
    expect(await counted('rejected')).toBe(1);
    expect(revoked).toEqual([]);
  });

  it('reads the record again and uses the tokens that another process has stored (G11)', async () => {
    const { beginRefresh, store, counted } = openRefresher();
    const { record, waiting, respond } = await beginRefresh();
    await store.replace(record.key, withTokens(record, '9'), 1);
    respond(failure.rejected);
    expect((await run(waiting)).accessToken).toBe('at-9');
    expect(await counted('reused')).toBe(1);
    expect(await counted('rejected')).toBe(0);
  });

  it('uses a newer refresh token of the session if there is one (G11)', async () => {
    const { beginRefresh, store, calls } = openRefresher();
    const { record, waiting, respond } = await beginRefresh();
    const { data } = record;
    await store.replace(record.key, { ...data, tokens: { ...data.tokens, refreshToken: 'rt-9' } }, 1);
    respond(failure.rejected);
    expect((await run(waiting)).accessToken).toBe('at-3');
    expect(calls.map(({ refreshToken }) => refreshToken)).toEqual(['rt-1', 'rt-9']);
  });

  it('ends the session and revokes the new token if the ID token names another user (C20, G21)', async () => {
    const { begin, refresher, outcomes, store, revoked } = openRefresher();
    const record = await begin(EXPIRED_MS);
    outcomes.push({ kind: 'identity_changed', refreshToken: 'rt-eve', cause: new Error('sub') });
    expect(await codeOf(refresher.fresh(record, signIn))).toBe('session_expired');
    expect(await store.loadRecord(record.key)).toBeUndefined();
    expect(revoked).toEqual(['rt-eve']);
  });
});

describe('a refresh that fails for now', () => {
  it.each([
    ['transient', failure.transient],
    ['ambiguous', failure.ambiguous],
    ['misconfigured', failure.misconfigured],
  ])('keeps the session and sets Retry-After when it is %s (G12, G13)', async (_kind, outcome) => {
    const { begin, refresher, outcomes, store, counted } = openRefresher({ retries: 0 });
    const record = await begin(EXPIRED_MS);
    outcomes.push(outcome);
    await expect(run(refresher.fresh(record, signIn))).rejects.toMatchObject({
      code: 'provider_unavailable',
      options: { retryAfterSeconds: expect.any(Number) },
    });
    expect(await store.loadRecord(record.key)).toEqual(record);
    expect(await counted('kept')).toBe(1);
    expect((await run(refresher.fresh(record, signIn))).accessToken).toBe('at-3');
  });

  it('passes on the Retry-After of the provider (G13)', async () => {
    const { begin, refresher, outcomes } = openRefresher();
    const record = await begin(EXPIRED_MS);
    outcomes.push({ ...failure.transient, retryAfterSeconds: 42 });
    await expect(run(refresher.fresh(record, signIn))).rejects.toMatchObject({
      options: { retryAfterSeconds: 42 },
    });
  });

  it('counts as one failure for all waiting requests (G24)', async () => {
    const { begin, refresher, outcomes, calls } = openRefresher({ retries: 0 });
    const record = await begin(EXPIRED_MS);
    outcomes.push(failure.transient);
    await Promise.all(Array.from({ length: 50 }, () => codeOf(refresher.fresh(record, signIn))));
    expect(calls).toHaveLength(1);
  });

  it('is store_unavailable while the store is down, and the next request tries again (E24)', async () => {
    const { begin, refresher, store, calls } = openRefresher();
    const record = await begin(EXPIRED_MS);
    store.isUnavailable = true;
    expect(await codeOf(refresher.fresh(record, signIn))).toBe('store_unavailable');
    expect(calls).toEqual([]);
    store.isUnavailable = false;
    expect((await run(refresher.fresh(record, signIn))).accessToken).toBe('at-2');
  });

  it('sends no request once the session had too many refreshes this minute (maxPerMinute)', async () => {
    const { begin, refresher, calls, outcomes } = openRefresher({ maxPerMinute: 2 });
    let session: SessionView = await begin();
    const short = (n: number) =>
      refreshed(n, { tokenResponse: { accessToken: `at-${n}`, expiresInSeconds: 1 } });
    outcomes.push(short(2), short(3));
    await vi.advanceTimersByTimeAsync(EXPIRED_MS);
    for (let round = 0; round < 2; round += 1) ({ session } = await run(refresher.fresh(session, signIn)));
    await expect(run(refresher.fresh(session, signIn))).rejects.toMatchObject({
      code: 'provider_unavailable',
      options: { retryAfterSeconds: 50 },
    });
    expect(calls).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(60_000);
    expect((await run(refresher.fresh(session, signIn))).accessToken).toBe('at-4');
  });
});

it('a refused refresh is not repeated for a minute, also if its count could not be written', async () => {
  const { begin, refresher, outcomes, calls, store } = openRefresher({ retries: 0 });
  const record = await begin(EXPIRED_MS);
  vi.spyOn(store, 'replace').mockResolvedValue('conflict');
  outcomes.push({ ...failure.misconfigured, error: 'unsupported_grant_type' });
  expect(await codeOf(refresher.fresh(record, signIn))).toBe('provider_unavailable');
  await vi.advanceTimersByTimeAsync(50_000);
  expect(await codeOf(refresher.fresh(record, signIn))).toBe('provider_unavailable');
  expect(calls).toHaveLength(1);
});
