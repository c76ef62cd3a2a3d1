import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { codeOf, EXPIRING_MS, orders, EXPIRED_MS, run, signIn } from './requests.ts';
import { failure, openRefresher, refreshed, WAIT_MS } from './fixture.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe('a fresh token', () => {
  it('is used unchanged, without a call to the provider', async () => {
    const { begin, refresher, calls } = openRefresher();
    const record = await begin(EXPIRING_MS - 1);
    expect(await refresher.fresh(record, signIn)).toEqual({
      session: record,
      audience: signIn,
      accessToken: 'at-1',
    });
    expect(calls).toEqual([]);
  });
});

describe('a token close to expiry', () => {
  it('is used unchanged and refreshed in the background, while no request waits', async () => {
    const { begin, refresher, calls, hold, store, counted } = openRefresher();
    const record = await begin(EXPIRING_MS);
    const respond = hold();
    const credentials = await Promise.all([1, 2, 3].map(() => refresher.fresh(record, signIn)));
    expect(credentials.map(({ accessToken }) => accessToken)).toEqual(['at-1', 'at-1', 'at-1']);
    await vi.advanceTimersByTimeAsync(0);
    expect(calls).toHaveLength(1);
    respond(refreshed(2));
    await refresher.settle();
    expect((await store.loadRecord(record.key))?.data.tokens).toMatchObject({ refreshToken: 'rt-2' });
    expect(await counted('refreshed')).toBe(1);
    expect(await counted('joined')).toBe(0);
  });

  it.each(Object.values(failure))('is used unchanged when its refresh ends as %o', async (outcome) => {
    const { begin, refresher, outcomes } = openRefresher({ retries: 0 });
    const record = await begin(EXPIRING_MS);
    outcomes.push(outcome);
    expect((await refresher.fresh(record, signIn)).accessToken).toBe('at-1');
    await refresher.settle();
  });

  it('is not refreshed ahead while the circuit breaker is open (G13)', async () => {
    const { begin, refresher, outcomes, calls, counted } = openRefresher({ retries: 0 });
    const record = await begin(EXPIRING_MS);
    outcomes.push({ ...failure.transient, retryAfterSeconds: 30 });
    await refresher.fresh(record, signIn);
    await refresher.settle();
    for (let again = 0; again < 5; again += 1)
      expect((await refresher.fresh(record, signIn)).accessToken).toBe('at-1');
    await refresher.settle();
    expect(calls).toHaveLength(1);
    expect(await counted('kept')).toBe(1);
  });
});

describe('an expired token', () => {
  it('makes all requests wait for one refresh (G6)', async () => {
    const { begin, refresher, calls, counted } = openRefresher();
    const record = await begin(EXPIRED_MS);
    const credentials = await run(
      Promise.all(Array.from({ length: 200 }, () => refresher.fresh(record, signIn))),
    );
    expect(new Set(credentials.map(({ accessToken }) => accessToken))).toEqual(new Set(['at-2']));
    expect(calls).toHaveLength(1);
    expect(await counted('refreshed')).toBe(1);
    expect(await counted('joined')).toBe(199);
  });

  it('replaces both tokens in the record of its own session (G2)', async () => {
    const { begin, refresher, calls, store } = openRefresher();
    const record = await begin(EXPIRED_MS);
    const { session } = await run(refresher.fresh(record, signIn));
    expect(calls[0]).toMatchObject({ refreshToken: 'rt-1', subject: 'ada', audience: signIn });
    expect(await store.loadView(record.key)).toEqual(session);
    expect(await store.loadRecord(record.key)).toMatchObject({
      version: 2,
      data: { tokens: { refreshToken: 'rt-2', idToken: 'id-1' } },
    });
  });

  it('keeps its refresh token when the response has none (G2)', async () => {
    const { begin, refresher, outcomes, calls } = openRefresher();
    const record = await begin(EXPIRED_MS);
    outcomes.push(refreshed(2, { tokenResponse: { accessToken: 'at-2', expiresInSeconds: 300 } }));
    const { session } = await run(refresher.fresh(record, signIn));
    await vi.advanceTimersByTimeAsync(EXPIRED_MS);
    await run(refresher.fresh(session, signIn));
    expect(calls.map(({ refreshToken }) => refreshToken)).toEqual(['rt-1', 'rt-1']);
  });

  it('updates the claims from a new ID token and keeps the old claims without one (C21)', async () => {
    const { begin, refresher, store, outcomes } = openRefresher();
    const record = await begin(EXPIRED_MS);
    const claims = async () => (await store.loadRecord(record.key))?.data.claims;
    outcomes.push(refreshed(2, { claims: { sub: 'ada', role: 'none' } }));
    const { session: second } = await run(refresher.fresh(record, signIn));
    expect(await claims()).toEqual({ sub: 'ada', role: 'none' });
    await vi.advanceTimersByTimeAsync(EXPIRED_MS);
    await run(refresher.fresh(second, signIn));
    expect(await claims()).toEqual({ sub: 'ada', role: 'none' });
  });

  it('stops waiting for a refresh that takes too long, while the refresh continues (G24)', async () => {
    const { begin, refresher, hold, calls, store } = openRefresher();
    const record = await begin(EXPIRED_MS);
    const respond = hold();
    const waiting = codeOf(refresher.fresh(record, signIn));
    await vi.advanceTimersByTimeAsync(WAIT_MS);
    expect(await waiting).toBe('provider_unavailable');
    respond(refreshed(2));
    expect((await run(refresher.fresh(record, signIn))).accessToken).toBe('at-2');
    expect(calls).toHaveLength(1);
    expect((await store.loadRecord(record.key))?.data.tokens.refreshToken).toBe('rt-2');
  });

  it('ends a session that has no refresh token', async () => {
    const { signIn: start, recordOf: readSession, refresher, calls, store } = openRefresher();
    const record = await readSession(
      await start({ tokenResponse: { accessToken: 'at-1', expiresInSeconds: 300 } }),
    );
    await vi.advanceTimersByTimeAsync(EXPIRED_MS);
    expect(await codeOf(refresher.fresh(record, signIn))).toBe('session_expired');
    expect(calls).toEqual([]);
    expect(await store.loadRecord(record.key)).toBeUndefined();
  });
});

describe('a token for another audience', () => {
  it("is fetched with the session's refresh token and leaves the access token of the sign-in unchanged (B13)", async () => {
    const { begin, refresher, calls, outcomes } = openRefresher();
    const record = await begin();
    outcomes.push(
      refreshed(2, {
        tokenResponse: { accessToken: 'at-orders', expiresInSeconds: 300, refreshToken: 'rt-2' },
      }),
    );
    const credential = await run(refresher.fresh(record, orders));
    expect(credential).toMatchObject({ accessToken: 'at-orders', audience: orders });
    expect(calls[0]).toMatchObject({ refreshToken: 'rt-1', audience: orders });
    expect(await refresher.fresh(credential.session, signIn)).toMatchObject({ accessToken: 'at-1' });
    expect(calls).toHaveLength(1);
  });

  it('is fetched after the token of another audience, with the refresh token which that one returned (H9)', async () => {
    const { begin, refresher, calls } = openRefresher();
    const record = await begin(EXPIRED_MS);
    await run(Promise.all([refresher.fresh(record, signIn), refresher.fresh(record, orders)]));
    expect(calls.map(({ refreshToken }) => refreshToken)).toEqual(['rt-1', 'rt-2']);
  });
});

describe('settle', () => {
  it('waits for the refreshes in progress and releases every lock (G18)', async () => {
    const { beginRefresh, refresher, locks, store } = openRefresher();
    const { record, waiting, respond } = await beginRefresh();
    let settled = false;
    const settling = refresher.settle().then(() => (settled = true));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(settled).toBe(false);
    respond(refreshed(2));
    await settling;
    await waiting;
    expect((await store.loadRecord(record.key))?.data.tokens.refreshToken).toBe('rt-2');
    expect(await locks.acquire(record.key, Date.now())).toBeDefined();
  });
});
