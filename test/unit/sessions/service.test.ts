import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { sessionView, type SessionData, type SessionRecord } from '../../../src/sessions/session.ts';
import { ABSOLUTE_MS, IDLE_MS, meter, openSessions } from './fixture.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const open = (options = {}) => openSessions(Date.now, options);

/** The data with new tokens, as after a refresh. */
function refreshed({ data }: SessionRecord, name: string): SessionData {
  const access = { '': { value: `at-${name}`, obtainedAtMs: Date.now(), expiresAtMs: Date.now() + 300_000 } };
  return { ...data, tokens: { ...data.tokens, access, refreshToken: `rt-${name}` } };
}

describe('starting a session', () => {
  it('makes it available by its cookie, with the user and the tokens', async () => {
    const { signIn, recordOf } = open();
    const { data, version, idleExpiresAtMs } = await recordOf(await signIn({ providerSessionId: 'sid' }));
    expect(data).toEqual({
      issuer: 'https://login.example.com',
      subject: 'ada',
      providerSessionId: 'sid',
      claims: { sub: 'ada', name: 'Ada' },
      tokens: expect.objectContaining({ refreshToken: 'rt-1', idToken: 'id-1' }),
      ticketKeyId: expect.any(Number),
      createdAtMs: Date.now(),
      absoluteExpiresAtMs: Date.now() + ABSOLUTE_MS,
    });
    expect(data.tokens.access['']).toMatchObject({ value: 'at-1', expiresAtMs: Date.now() + 300_000 });
    expect({ version, idle: idleExpiresAtMs - Date.now() }).toEqual({ version: 1, idle: IDLE_MS });
  });

  it('gives it a ticket and a key of its own (E2)', async () => {
    const { signIn, recordOf } = open();
    const [one, two] = [await signIn(), await signIn()];
    expect(one).not.toBe(two);
    expect((await recordOf(one)).key).not.toBe((await recordOf(two)).key);
  });

  it('asks the store for all that follows its record at once, and is refused only once the index is final', async () => {
    const { sessions, signIn, store } = open({ maxPerUser: 5 });
    await sessions.endSignInsOf({ kind: 'subject', issuer: 'https://login.example.com', id: 'ada' }, 'admin');
    const isFinal = Promise.withResolvers<void>();
    const create = store.create.bind(store);
    vi.spyOn(store, 'create').mockImplementation(async (...args) => {
      await create(...args);
      await isFinal.promise;
    });
    const [asked, removed] = [vi.spyOn(store, 'count'), vi.spyOn(store, 'remove')];
    const refusal = signIn().catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(asked).toHaveBeenCalledOnce();
    expect(removed).not.toHaveBeenCalled();
    isFinal.resolve();
    expect(await refusal).toMatchObject({ code: 'login_failed' });
    expect(removed).toHaveBeenCalledOnce();
  });

  it('fails when it cannot be stored', async () => {
    const { signIn, store, metrics } = open();
    store.isUnavailable = true;
    await expect(signIn()).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(await meter(metrics, 'coatcheck_sessions_started_total')).toBe(0);
  });

  it('counts it and logs its name, which does not open it (E23)', async () => {
    const { signIn, recordOf, metrics, lines } = open();
    const cookie = await signIn();
    const { key } = await recordOf(cookie);
    expect(await meter(metrics, 'coatcheck_sessions_started_total')).toBe(1);
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      msg: 'session started',
      session: key,
    });
    for (const secret of [cookie.slice(30), 'at-1', 'rt-1', 'ada'])
      expect(lines.join('')).not.toContain(secret);
  });
});

describe('finding a session', () => {
  it('returns absent without a cookie and ended for an unknown one, without further reads (E3)', async () => {
    const { sessions, store, tickets } = open();
    expect(await sessions.peek(undefined)).toEqual({ kind: 'absent' });
    expect(await sessions.peek('other=1')).toEqual({ kind: 'absent' });
    expect(await sessions.peek('__Host-Http-coatcheck=nonsense')).toEqual({ kind: 'ended' });
    expect(store.operations).toEqual([]);
    const { setCookie } = await tickets.issue(60_000);
    expect(await sessions.peek(setCookie.slice(0, setCookie.indexOf(';')))).toEqual({ kind: 'ended' });
    expect(store.operations).toEqual([expect.stringMatching(/^loadView /)]);
  });

  it('reads the store once for many requests', async () => {
    const { sessions, store, signIn } = open();
    const cookie = await signIn();
    store.operations.length = 0;
    await Promise.all([sessions.peek(cookie), sessions.peek(cookie)]);
    await sessions.peek(cookie);
    expect(store.operations).toHaveLength(1);
  });

  it('never reports an outage as an end (E24)', async () => {
    const { sessions, store, signIn } = open({ maxAge: 0 });
    const cookie = await signIn();
    store.isUnavailable = true;
    await expect(sessions.peek(cookie)).rejects.toMatchObject({ code: 'store_unavailable' });
    await expect(sessions.touch(cookie)).rejects.toMatchObject({ code: 'store_unavailable' });
    store.isUnavailable = false;
    expect(await sessions.peek(cookie)).toMatchObject({ kind: 'live' });
  });

  it('finds it ended after its idle limit, which only use extends (E7)', async () => {
    const { sessions, signIn } = open();
    const cookie = await signIn();
    vi.advanceTimersByTime(IDLE_MS - 1);
    expect(await sessions.peek(cookie)).toMatchObject({ kind: 'live' });
    vi.advanceTimersByTime(1);
    expect(await sessions.peek(cookie)).toEqual({ kind: 'ended' });
  });

  it('finds it ended after its absolute limit, however much it is used (E8)', async () => {
    const { sessions, signIn } = open();
    const cookie = await signIn();
    for (let used = 0; used < ABSOLUTE_MS; used += 600_000) {
      expect(await sessions.touch(cookie)).toMatchObject({ kind: 'live' });
      await vi.advanceTimersByTimeAsync(600_000);
    }
    expect(await sessions.peek(cookie)).toEqual({ kind: 'ended' });
  });

  it('ends a session that is over but still stored', async () => {
    const { sessions, store, signIn, recordOf } = open();
    const cookie = await signIn();
    const kept = await recordOf(cookie);
    vi.advanceTimersByTime(IDLE_MS);
    store.loadView = async () => kept;
    expect(await sessions.peek(cookie)).toEqual({ kind: 'ended' });
    expect(store.operations.at(-1)).toBe(`remove ${kept.key}`);
  });

  it('reads the store before it reports an idle session, because another process may have extended its limit', async () => {
    const { sessions, store, signIn, recordOf } = open({ maxAge: IDLE_MS * 2 });
    const cookie = await signIn();
    const { key } = await recordOf(cookie);
    await store.touch(key, Date.now() + IDLE_MS * 2);
    vi.advanceTimersByTime(IDLE_MS + 1);
    expect(await sessions.peek(cookie)).toMatchObject({ kind: 'live' });
  });
});

describe('using a session', () => {
  it('extends its idle limit, but not with every request', async () => {
    const { sessions, store, signIn, recordOf } = open();
    const cookie = await signIn();
    const { key } = await recordOf(cookie);
    store.operations.length = 0;
    await vi.advanceTimersByTimeAsync(59_999);
    await sessions.touch(cookie);
    expect(store.operations).not.toContain(`touch ${key}`);
    await vi.advanceTimersByTimeAsync(1);
    await sessions.touch(cookie);
    await sessions.touch(cookie);
    expect(store.operations.filter((operation) => operation === `touch ${key}`)).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(0);
    expect(await sessions.peek(cookie)).toMatchObject({ session: { idleExpiresAtMs: Date.now() + IDLE_MS } });
    expect((await store.loadRecord(key))?.idleExpiresAtMs).toBe(Date.now() + IDLE_MS);
  });

  it('takes a session from memory without a promise, and extends its idle limit as with one', async () => {
    const { sessions, store, signIn, recordOf } = open({ maxAge: IDLE_MS });
    const cookie = await signIn();
    const { key } = await recordOf(cookie);
    await sessions.peek(cookie);
    await vi.advanceTimersByTimeAsync(60_000);
    store.operations.length = 0;
    expect(sessions.touchInMemory(cookie)).toMatchObject({ kind: 'live', session: { key } });
    expect(store.operations).toEqual([`touch ${key}`]);
  });

  it('takes nothing from memory without a ticket, for two cookies, or once a limit has passed (E3, E7)', async () => {
    const { sessions, signIn } = open({ maxAge: IDLE_MS * 2 });
    const cookie = await signIn();
    await sessions.peek(cookie);
    const planted = `${cookie.slice(0, cookie.indexOf('='))}=planted`;
    for (const header of [undefined, 'other=1', planted, `${cookie}; ${planted}`])
      expect(sessions.touchInMemory(header)).toBeUndefined();
    expect(sessions.touchInMemory(cookie)).toBeDefined();
    vi.advanceTimersByTime(IDLE_MS);
    expect(sessions.touchInMemory(cookie)).toBeUndefined();
  });

  it('succeeds when the limit cannot be extended', async () => {
    const { sessions, store, signIn, lines } = open({ maxAge: IDLE_MS });
    const cookie = await signIn();
    await sessions.touch(cookie);
    await vi.advanceTimersByTimeAsync(60_000);
    store.isUnavailable = true;
    expect(await sessions.touch(cookie)).toMatchObject({ kind: 'live' });
    await vi.advanceTimersByTimeAsync(0);
    expect(lines.at(-1)).toContain('idle timeout');
  });

  it('does not happen when a request only peeks (E7)', async () => {
    const { sessions, store, signIn } = open({ maxAge: 0 });
    const cookie = await signIn();
    await vi.advanceTimersByTimeAsync(600_000);
    await sessions.peek(cookie);
    expect(store.operations.join()).not.toContain('touch');
  });
});

describe('replacing a session', () => {
  it('writes the next version, which every request sees at once', async () => {
    const { sessions, store, signIn, recordOf } = open();
    const cookie = await signIn();
    const old = await recordOf(cookie);
    const replacement = await sessions.replace(old, refreshed(old, '2'));
    expect(replacement).toMatchObject({ result: 'replaced', record: { version: 2 } });
    store.operations.length = 0;
    expect(await sessions.peek(cookie)).toEqual({ kind: 'live', session: sessionView(replacement.record) });
    expect(store.operations).toEqual([]);
    expect(await store.loadRecord(old.key)).toMatchObject({
      version: 2,
      data: { tokens: { refreshToken: 'rt-2' } },
    });
  });

  it('changes nothing when another process wrote first (G7)', async () => {
    const { sessions, signIn, recordOf } = open();
    const cookie = await signIn();
    const old = await recordOf(cookie);
    await sessions.replace(old, refreshed(old, '2'));
    expect(await sessions.replace(old, refreshed(old, '3'))).toMatchObject({ result: 'conflict' });
    expect((await recordOf(cookie)).data.tokens.refreshToken).toBe('rt-2');
  });

  it('logs and counts the new tokens that a conflict drops', async () => {
    const { sessions, store, signIn, recordOf, metrics, lines } = open();
    const old = await recordOf(await signIn());
    await sessions.replace(old, refreshed(old, '2'));
    await sessions.replace(old, refreshed(old, '3'));
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({
      level: 'error',
      session: old.key,
      msg: 'another write of the session came first; dropped new tokens',
    });
    expect(await meter(metrics, 'coatcheck_refresh_conflicts_total', { reason: 'changed' })).toBe(1);

    // The same for tokens that were kept in memory.
    store.isUnavailable = true;
    const { saved } = await sessions.replace(old, refreshed(old, '4'));
    store.isUnavailable = false;
    await vi.advanceTimersByTimeAsync(1_000);
    await saved;
    expect(await meter(metrics, 'coatcheck_refresh_conflicts_total', { reason: 'changed' })).toBe(2);
    expect(lines.join()).not.toMatch(/rt-\d|at-\d/);
  });

  it('does not restore a session that has ended (G14)', async () => {
    const { sessions, store, signIn, recordOf, metrics, lines } = open();
    const cookie = await signIn();
    const old = await recordOf(cookie);
    await sessions.end(old.key, 'logout');
    expect(await sessions.replace(old, refreshed(old, '2'))).toMatchObject({ result: 'gone' });
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({
      session: old.key,
      msg: 'the session has ended during its refresh; revoking the new refresh token',
    });
    expect(await meter(metrics, 'coatcheck_refresh_conflicts_total', { reason: 'ended' })).toBe(1);
    expect(await store.loadRecord(old.key)).toBeUndefined();
    expect(await sessions.peek(cookie)).toEqual({ kind: 'ended' });
  });

  it('keeps it in memory for the whole process while the store is down (G16)', async () => {
    const { sessions, store, signIn, recordOf } = open();
    const cookie = await signIn();
    const old = await recordOf(cookie);
    store.isUnavailable = true;
    const { result, saved } = await sessions.replace(old, refreshed(old, '2'));
    expect(result).toBe('replaced');
    expect((await recordOf(cookie)).data.tokens.refreshToken).toBe('rt-2');
    expect((await sessions.loadByKey(old.key))?.data.tokens.refreshToken).toBe('rt-2');
    store.isUnavailable = false;
    await vi.advanceTimersByTimeAsync(1_000);
    await saved;
    expect(await store.loadRecord(old.key)).toMatchObject({
      version: 2,
      data: { tokens: { refreshToken: 'rt-2' } },
    });
  });

  it('revokes the pending refresh token when the session has ended meanwhile (G14)', async () => {
    const { sessions, store, signIn, recordOf, revoked } = open();
    const old = await recordOf(await signIn());
    store.isUnavailable = true;
    const { saved } = await sessions.replace(old, refreshed(old, '2'));
    store.isUnavailable = false;
    await store.remove(old.key);
    await vi.advanceTimersByTimeAsync(1_000);
    await saved;
    await sessions.settle();
    expect(revoked).toEqual(['rt-2']);
    expect(await store.loadRecord(old.key)).toBeUndefined();
  });
});

describe('settling the session service', () => {
  it('waits until pending writes are stored (G18)', async () => {
    const { sessions, store, signIn, recordOf } = open();
    const old = await recordOf(await signIn());
    store.isUnavailable = true;
    await sessions.replace(old, refreshed(old, '2'));
    let settled = false;
    const settling = sessions.settle().then(() => (settled = true));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(settled).toBe(false);
    store.isUnavailable = false;
    await vi.advanceTimersByTimeAsync(1_000);
    await settling;
    expect((await store.loadRecord(old.key))?.version).toBe(2);
  });
});

describe('a session that ends by itself', () => {
  const lastLine = (lines: readonly string[]): unknown => JSON.parse(lines.at(-1) ?? '');
  const tokenResponse = { accessToken: 'at-1', expiresInSeconds: 300, refreshToken: 'rt-1' };

  it.each([
    [
      'the expiry of its refresh token',
      { tokenResponse: { ...tokenResponse, refreshExpiresInSeconds: 60 } },
      60_000,
    ],
    ['session_expiry', { claims: { sub: 'ada', session_expiry: 0 } }, 60_000],
  ])('is logged and counted as ended by the provider after %s', async (_what, signInWith, lifeMs) => {
    const { sessions, signIn, metrics, lines } = open();
    const { claims } = { claims: undefined, ...signInWith };
    const given = claims && { claims: { ...claims, session_expiry: (Date.now() + lifeMs) / 1000 } };
    const cookie = await signIn({ ...signInWith, ...given });
    await vi.advanceTimersByTimeAsync(lifeMs - 1);
    expect(await sessions.peek(cookie)).toMatchObject({ kind: 'live' });
    await vi.advanceTimersByTimeAsync(1);
    expect(await sessions.peek(cookie)).toEqual({ kind: 'ended' });
    expect(lastLine(lines)).toMatchObject({
      level: 'info',
      msg: 'session ended',
      reason: 'expired_at_provider',
    });
    expect(await sessions.peek(cookie)).toEqual({ kind: 'ended' });
    const ended = (reason: string) => meter(metrics, 'coatcheck_sessions_ended_total', { reason });
    expect(await ended('expired_at_provider')).toBe(1);
    expect(await ended('expired')).toBe(0);
  });

  it('is logged and counted as expired after the absolute limit', async () => {
    const { sessions, signIn, metrics, lines } = open();
    const cookie = await signIn({ tokenResponse: { ...tokenResponse, refreshExpiresInSeconds: 999_999 } });
    for (let elapsedMs = 0; elapsedMs < ABSOLUTE_MS; elapsedMs += ABSOLUTE_MS / 1_440) {
      expect(await sessions.touch(cookie)).toMatchObject({ kind: 'live' });
      await vi.advanceTimersByTimeAsync(ABSOLUTE_MS / 1_440);
    }
    expect(await sessions.peek(cookie)).toEqual({ kind: 'ended' });
    expect(lastLine(lines)).toMatchObject({ msg: 'session ended', reason: 'expired' });
    expect(await meter(metrics, 'coatcheck_sessions_ended_total', { reason: 'expired' })).toBe(1);
  });

  it('is logged and counted once as not found when nothing is known of it any more', async () => {
    const { sessions, signIn, recordOf, metrics, lines } = open();
    const cookie = await signIn();
    const { key } = await recordOf(cookie);
    await vi.advanceTimersByTimeAsync(IDLE_MS);
    expect(await sessions.peek(cookie)).toEqual({ kind: 'ended' });
    expect(lastLine(lines)).toMatchObject({
      level: 'info',
      session: key,
      reason: 'not_found',
      msg: 'session not found: it has ended before, a limit has passed, or the store has lost it',
    });
    const before = lines.length;
    expect(await sessions.peek(cookie)).toEqual({ kind: 'ended' });
    expect(lines).toHaveLength(before);
    expect(await meter(metrics, 'coatcheck_sessions_ended_total', { reason: 'not_found' })).toBe(1);
  });
});

describe('ending a session', () => {
  it('invalidates its cookie at once and revokes its refresh token (D1, D7)', async () => {
    const { sessions, store, signIn, recordOf, revoked, metrics, lines } = open();
    const cookie = await signIn();
    const { key } = await recordOf(cookie);
    const ending = await sessions.end(key, 'logout');
    await ending?.revoked;
    expect(ending?.data.tokens.idToken).toBe('id-1');
    expect(await sessions.peek(cookie)).toEqual({ kind: 'ended' });
    expect(await store.loadRecord(key)).toBeUndefined();
    expect(revoked).toEqual(['rt-1']);
    expect(await meter(metrics, 'coatcheck_sessions_ended_total', { reason: 'logout' })).toBe(1);
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ msg: 'session ended', reason: 'logout' });
  });

  it('happens once, however many try', async () => {
    const { sessions, signIn, recordOf, revoked, metrics } = open();
    const { key } = await recordOf(await signIn());
    const endings = await Promise.all([sessions.end(key, 'logout'), sessions.end(key, 'logout')]);
    expect(endings.filter((ending) => ending !== undefined)).toHaveLength(1);
    expect(await sessions.end(key, 'logout')).toBeUndefined();
    expect(revoked).toEqual(['rt-1']);
    expect(await meter(metrics, 'coatcheck_sessions_ended_total', { reason: 'logout' })).toBe(1);
  });

  it.each(['refresh_rejected', 'identity_changed'] as const)(
    "for the reason %s revokes nothing: the provider has rejected that token, or it is another user's",
    async (reason) => {
      const { sessions, signIn, recordOf, revoked } = open();
      await (
        await sessions.end((await recordOf(await signIn())).key, reason)
      )?.revoked;
      expect(revoked).toEqual([]);
    },
  );

  it('fails while the store is down, and the session still exists afterwards (E24)', async () => {
    const { sessions, store, signIn, recordOf, revoked } = open();
    const cookie = await signIn();
    const { key } = await recordOf(cookie);
    store.isUnavailable = true;
    await expect(sessions.end(key, 'logout')).rejects.toMatchObject({ code: 'store_unavailable' });
    store.isUnavailable = false;
    expect(await recordOf(cookie)).toMatchObject({ key });
    expect(revoked).toEqual([]);
  });

  it('leaves the other sessions of the same user', async () => {
    const { sessions, signIn, recordOf } = open();
    const [one, two] = [await signIn(), await signIn()];
    await sessions.end((await recordOf(one)).key, 'logout');
    expect(await sessions.peek(two)).toMatchObject({ kind: 'live' });
  });

  it('clears the cookie with the attributes it was set with (D3)', () => {
    expect(open().sessions.clearCookie()).toBe(
      '__Host-Http-coatcheck=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict',
    );
  });
});

describe('the public name of a session', () => {
  it('is stable and short, and no ticket can be derived from it (E23)', async () => {
    const { sessions, signIn, recordOf } = open();
    const cookie = await signIn();
    const { key } = await recordOf(cookie);
    expect((await recordOf(cookie)).key).toBe(key);
    expect(key).toMatch(/^[A-Za-z0-9_-]{22}$/);
    const name = cookie.slice(0, cookie.indexOf('='));
    expect(await sessions.peek(`${name}=${key}`)).toEqual({ kind: 'ended' });
  });
});
