import { describe, expect, it, vi } from 'vitest';
import { createLoginCookies } from '../../../../src/auth/login/login-cookies.ts';
import type { PendingLogin } from '../../../../src/auth/login/pending-login.ts';
import { createReturnTo } from '../../../../src/auth/return-to.ts';
import { createEnvelopes } from '../../../../src/crypto/envelope.ts';
import { createKeyRing } from '../../../../src/crypto/key-ring.ts';
import { createSealedCookies } from '../../../../src/crypto/sealed-cookie.ts';
import { createDpopKey } from '../../../../src/dpop/key.ts';
import { createMemoryStore } from '../../../../src/sessions/store/memory-store.ts';
import { createTestClock } from '../../clock.ts';

/** The login cookies of a gateway, and a browser that stores them. */
function openBrowser({ secure = true } = {}) {
  const clock = createTestClock();
  const keyRing = createKeyRing(['a-session-secret-Wd8kPz4RmX7vNq2TbL6h']);
  const seals = createSealedCookies(keyRing, 'login-cookie');
  const attempts = createMemoryStore({ clock: clock.now });
  const cookies = createLoginCookies({
    seals,
    envelopes: createEnvelopes(keyRing),
    store: attempts,
    returnTo: createReturnTo('https://app.example.com', '/auth'),
    defaultReturnTo: '/home',
    secure,
    clock: clock.now,
  });
  const jar = new Map<string, string>();

  const header = () => [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
  const store = (lines: readonly string[]) => {
    for (const line of lines) {
      const [pair = ''] = line.split(';', 1);
      const at = pair.indexOf('=');
      if (/; Max-Age=0(?:;|$)/.test(line)) jar.delete(pair.slice(0, at));
      else jar.set(pair.slice(0, at), pair.slice(at + 1));
    }
  };
  const begin = async (state: string, given: Partial<PendingLogin> = {}) => {
    const login: PendingLogin = {
      issuer: 'https://login.example.com',
      state,
      nonce: `nonce-${state}`,
      codeVerifier: `verifier-${state}`,
      returnTo: `/${state}`,
      startedAtMs: clock.now(),
      ...given,
    };
    const lines = await cookies.set(login, header());
    store(lines);
    return { login, lines };
  };
  const find = async (state: string, from: string | undefined) => (await cookies.find(state, from))?.login;
  return { cookies, find, clock, jar, header, store, begin, seals, keyRing, attempts };
}

/** A login with everything it may have, of the usual length. */
function wholeLogin(state: string, given: Partial<PendingLogin>): PendingLogin {
  return {
    issuer: 'https://login.example.com/realms/a-realm-of-some-length',
    state,
    nonce: 'n'.repeat(43),
    codeVerifier: 'v'.repeat(43),
    returnTo: '/',
    startedAtMs: 0,
    replaces: 'k'.repeat(43),
    dpopKey: createDpopKey(),
    ...given,
  };
}

describe('a started login', () => {
  it('the browser that started a login finds it by its state (B2, B4)', async () => {
    const { find, begin, header } = openBrowser();
    const { login } = await begin('s1', { replaces: 'k1' });
    expect(await find('s1', header())).toEqual(login);
    expect(await find('s2', header())).toBeUndefined();
    expect(await find('s1', undefined)).toBeUndefined();
    expect(await find('s1', openBrowser().header())).toBeUndefined();
  });

  it('a login is kept for ten minutes in a cookie that navigations send and that reveals nothing (A4–A8, B4)', async () => {
    const { begin, jar } = openBrowser();
    const { lines } = await begin('canary-state');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(
      /^__Host-Http-coatcheck-login-\S+=\S+; Path=\/; Max-Age=600; HttpOnly; Secure; SameSite=Lax$/,
    );
    expect([...jar].join()).not.toContain('canary');
  });

  it.each([1, 64, 1_024])(
    'the cookies of any number of tabs that begin at once stay below 4 kB with %i characters of returnTo (E10)',
    async (length) => {
      const { cookies, find, header, store, attempts, clock } = openBrowser();
      const returnTo = `/${'a'.repeat(length - 1)}`;
      const begin = async (at: number) => {
        const login = wholeLogin(`s${at}`.padEnd(43, 's'), { returnTo, startedAtMs: clock.now() });
        store(await cookies.set(login, undefined));
        return login;
      };
      const tabs = await Promise.all(Array.from({ length: 34 }, (_, at) => begin(at)));
      const last = await begin(34);
      const inOutage = vi.spyOn(attempts, 'putMarker').mockRejectedValue(new Error('away'));
      const { state } = await begin(35);
      inOutage.mockRestore();
      expect(header().length).toBeLessThan(4_096);
      expect(await find(last.state, header())).toEqual(last);
      expect(await find(state, header())).toMatchObject({ state });
      const others = await cookies.findOthers(last.state, header());
      expect(others).toHaveLength(22);
      expect(tabs.filter((tab) => others.some(({ login }) => login.state === tab.state))).toHaveLength(21);
    },
  );

  it('a tab that sees the cookies of others does not displace the eleven newest (C28)', async () => {
    const { find, begin, header, clock } = openBrowser();
    for (let at = 0; at < 36; at += 1) {
      clock.advance(1_000);
      await begin(`s${at}`);
      for (const tab of [Math.max(0, at - 10), at]) expect(await find(`s${tab}`, header())).toBeDefined();
    }
  });

  it('planted cookies are cleared over several responses, and a long name delays no other (C28)', async () => {
    const { cookies, find, begin, header, jar, store } = openBrowser();
    const { login } = await begin('s1');
    const planted = ['x'.repeat(3_000), ...Array.from({ length: 99 }, (_, at) => `${at}`.padStart(30, 'p'))];
    for (const name of planted) jar.set(`__Host-Http-coatcheck-login-${name}`, 'v'.repeat(60));
    for (let count = jar.size; header().length > 8_000; count = jar.size) {
      const lines = cookies.clear('none', header());
      expect(lines.join('').length).toBeLessThanOrEqual(1_500);
      store(lines);
      expect(jar.size).toBeLessThan(count);
    }
    expect(await find('s1', header())).toEqual(login);
  });

  describe('while the store is down', () => {
    const beginInOutage = async (given: Partial<PendingLogin>) => {
      const browser = openBrowser();
      vi.spyOn(browser.attempts, 'putMarker').mockRejectedValue(new Error('away'));
      const { login } = await browser.begin('s1', { dpopKey: createDpopKey(), ...given });
      return { ...browser, login };
    };

    it('a login is in its cookie', async () => {
      const { find, header, login } = await beginInOutage({ returnTo: `/${'a'.repeat(63)}` });
      expect(await find('s1', header())).toEqual(login);
    });

    it('a login with a long returnTo leads to the default page', async () => {
      const { find, header, login } = await beginInOutage({ returnTo: `/${'a'.repeat(64)}` });
      expect(await find('s1', header())).toEqual({ ...login, returnTo: '/home' });
    });

    it('a login that would not fit does not begin', async () => {
      const stepUp = { acrValues: ['x'.repeat(1_000)], scopes: [], resources: [] };
      await expect(beginInOutage({ stepUp })).rejects.toThrow('away');
    });

    it('a login of the store is not missing but unavailable', async () => {
      const { cookies, find, begin, header, attempts } = openBrowser();
      await begin('s1');
      vi.spyOn(attempts, 'getMarker').mockRejectedValue(new Error('away'));
      await expect(find('s1', header())).rejects.toThrow('away');
      expect(cookies.returnToOf('s1', header())).toBe('/s1');
      expect(cookies.returnToOf('s2', header())).toBeUndefined();
      const planted = Buffer.from('//evil.example').toString('base64url');
      const forged = header().replace(Buffer.from('/s1').toString('base64url'), planted);
      expect(forged).toContain(planted);
      expect(cookies.returnToOf('s1', forged)).toBeUndefined();
      expect(await find('s2', header())).toBeUndefined();
    });
  });

  it('a login is not found when the store has another one in its place', async () => {
    const { find, begin, header, jar, attempts } = openBrowser();
    await begin('s1', { stepUp: { acrValues: ['strong'], scopes: [], resources: [] } });
    const [[name, value]] = [...jar] as [[string, string]];
    await begin('s1', { stepUp: { acrValues: ['weak'], scopes: [], resources: [] } });
    const weak = [...jar.values()].at(-1) ?? '';
    jar.clear();
    jar.set(name, value);
    expect(await find('s1', header())).toMatchObject({ stepUp: { acrValues: ['strong'] } });
    const getMarker = attempts.getMarker.bind(attempts);
    vi.spyOn(attempts, 'getMarker').mockImplementation(() =>
      getMarker(['login', weak.split('.').at(-1) ?? '']),
    );
    expect(await find('s1', header())).toBeUndefined();
  });

  it('the store contains no readable part of a login', async () => {
    const { begin, attempts } = openBrowser();
    const put = vi.spyOn(attempts, 'putMarker');
    await begin('canary-state', { returnTo: `/canary${'a'.repeat(200)}` });
    expect(put).toHaveBeenCalledOnce();
    expect(put.mock.calls[0]?.[1]).not.toContain('canary');
  });

  it('logins in different tabs do not disturb each other, whichever ends first (C28)', async () => {
    const { cookies, find, begin, header, store } = openBrowser();
    const logins = [await begin('s1'), await begin('s2'), await begin('s3')].map(({ login }) => login);
    for (const login of logins.toReversed()) {
      expect(await find(login.state, header())).toEqual(login);
      store(cookies.clear(login.state, header()));
    }
    expect(header()).toBe('');
  });

  it('a login finds those in other tabs, each for as long as it lasts (C28)', async () => {
    const { cookies, begin, header, clock, jar } = openBrowser();
    const { login: first } = await begin('s1', { replaces: 'k1' });
    clock.advance(300_000);
    const { login: second } = await begin('s2');
    await begin('s3');
    jar.set('__Host-Http-coatcheck-login-long', '000000000.planted0..Fe26.2*nonsense');
    const others = async () => (await cookies.findOthers('s3', header())).map(({ login }) => login);
    expect((await others()).toSorted((a, b) => a.startedAtMs - b.startedAtMs)).toEqual([first, second]);
    clock.advance(300_000);
    expect(await others()).toEqual([second]);
    expect(await cookies.findOthers('s3', undefined)).toEqual([]);
  });

  it.each([
    ['', false, []],
    [' in an outage', true, [expect.stringMatching(/; Max-Age=360; HttpOnly; Secure; SameSite=Lax$/)]],
  ])('an amended login keeps its remaining time%s', async (_when, isDown, expected) => {
    const { cookies, find, begin, header, clock, jar, store, attempts } = openBrowser();
    if (isDown) vi.spyOn(attempts, 'putMarker').mockRejectedValue(new Error('away'));
    const { login } = await begin('s1');
    const names = [...jar.keys()];
    clock.advance(240_000);
    const [other] = await cookies.findOthers('s2', header());
    if (other === undefined) throw new Error('it was begun');
    const lines = await cookies.update(other, 'k2');
    expect(lines).toEqual(expected);
    store(lines);
    expect([...jar.keys()]).toEqual(names);
    expect(await find('s1', header())).toEqual({ ...login, replaces: 'k2' });
    clock.advance(360_000);
    expect(await find('s1', header())).toBeUndefined();
  });

  it('a login cookie has a plain name on loopback http', async () => {
    const { find, begin, header } = openBrowser({ secure: false });
    const { lines } = await begin('s1');
    expect(lines[0]).toMatch(/^coatcheck-login-\S+=\S+; Path=\/; Max-Age=600; HttpOnly; SameSite=Lax$/);
    expect(await find('s1', header())).toBeDefined();
  });
});

describe('cookies with the names of pending logins that the gateway did not set', () => {
  it('are cleared beyond 4 kB and displace none of the gateway', async () => {
    const { cookies, find, begin, header, jar, clock, store } = openBrowser();
    for (let at = 0; at < 20; at += 1)
      jar.set(
        `__Host-Http-coatcheck-login-x${at}`,
        `${String(at).padStart(9, '0')}.12345678..${'x'.repeat(500)}`,
      );
    clock.advance(1_000);
    const { lines } = await begin('s1');
    expect(header().length).toBeLessThan(4_300);
    expect(
      lines.slice(1).every((line) => line.includes('=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax')),
    ).toBe(true);
    expect(await find('s1', header())).toBeDefined();
    jar.set('__Host-Http-coatcheck-login-y', 'x'.repeat(4_000));
    store(cookies.clear('s1', header()));
    expect(header().length).toBeLessThan(4_096);
  });

  it('cause at most 23 reads of the store and no write', async () => {
    const { cookies, begin, jar, header, attempts, clock } = openBrowser();
    await begin('s1');
    const [[name, value]] = [...jar] as [[string, string]];
    const content = (id: string) => `${value.slice(0, value.lastIndexOf('.') + 1)}${id}`;
    jar.clear();
    for (let at = 0; at < 75; at += 1)
      jar.set(name.replace(/\d\d$/, String(at).padStart(2, '0')), content(String(at).padStart(32, 'x')));
    clock.advance(1_000);
    const get = vi.spyOn(attempts, 'getMarker');
    const writes = [vi.spyOn(attempts, 'putMarker'), vi.spyOn(attempts, 'takeMarker')];
    expect(await cookies.find('s1', header())).toBeUndefined();
    cookies.clear('s1', header());
    expect(get.mock.calls.length).toBeLessThanOrEqual(23);
    get.mockClear();
    for (const wrong of ['a', 'x'.repeat(33), `${'x'.repeat(31)}.`, ''])
      for (const slot of jar.keys())
        expect(await cookies.find('s1', `${slot}=${content(wrong)}`)).toBeUndefined();
    expect(get).not.toHaveBeenCalled();
    for (const write of writes) expect(write).not.toHaveBeenCalled();
  });
});

describe('a stored login', () => {
  it('a login expires after ten minutes by the clock of the gateway (E17)', async () => {
    const { find, begin, header, clock } = openBrowser();
    await begin('s1');
    clock.advance(599_999);
    expect(await find('s1', header())).toBeDefined();
    clock.advance(1);
    expect(await find('s1', header())).toBeUndefined();
  });

  it('a login does not match the state of another login, even under its name (B7)', async () => {
    const { find, begin, jar, header } = openBrowser();
    await begin('s1');
    await begin('s2');
    const [[first, one], [second, two]] = [...jar] as [[string, string], [string, string]];
    const [idOf1, idOf2] = [one, two].map((value) => value.split('.').at(-1) ?? '') as [string, string];
    jar.set(first, one.replace(idOf1, idOf2)).set(second, two.replace(idOf2, idOf1));
    expect(await find('s1', header())).toBeUndefined();
    expect(await find('s2', header())).toBeUndefined();
  });

  it('a login cookie is ignored when one character has changed or its seal has another purpose (B7)', async () => {
    const { find, begin, jar, header, keyRing, clock, attempts } = openBrowser();
    for (const isDown of [false, true]) {
      if (isDown) vi.spyOn(attempts, 'putMarker').mockRejectedValue(new Error('away'));
      const { login } = await begin('s1');
      const [[name, value]] = [...jar] as [[string, string]];
      const at = value.length - 20;
      jar.set(name, `${value.slice(0, at)}${value[at] === 'A' ? 'B' : 'A'}${value.slice(at + 1)}`);
      expect(await find('s1', header())).toBeUndefined();
      const sessionSeals = createSealedCookies(keyRing, 'session-cookie');
      const seal = await sessionSeals.seal({ ...login, startedAtMs: clock.now() }, 0);
      jar.set(name, `${value.slice(0, value.lastIndexOf('.') + 1)}${seal}`);
      expect(await find('s1', header())).toBeUndefined();
      jar.set(name, value);
      expect(await find('s1', header())).toEqual(login);
      jar.clear();
    }
  });

  it('a login cookie is ignored when its sealed content is incomplete', async () => {
    const { find, begin, jar, header, seals } = openBrowser();
    const { login } = await begin('s1');
    const [[name, value]] = [...jar] as [[string, string]];
    const setSeal = async (content: Record<string, unknown>) =>
      jar.set(name, `${value.slice(0, value.lastIndexOf('.') + 1)}${await seals.seal(content, 600)}`);
    await setSeal(login);
    expect(await find('s1', header())).toEqual(login);
    for (const content of [
      {},
      { ...login, nonce: 1 },
      { ...login, startedAtMs: 'now' },
      { ...login, codeVerifier: undefined },
    ]) {
      await setSeal(content);
      expect(await find('s1', header())).toBeUndefined();
    }
  });

  it('a login that the version before stored is found, and its seal is no cookie (B7)', async () => {
    const { find, begin, jar, header, seals, attempts } = openBrowser();
    const { login } = await begin('s1');
    const [[name, value]] = [...jar] as [[string, string]];
    const id = value.slice(value.lastIndexOf('.') + 1);
    const seal = await seals.seal({ ...login, id }, 600);
    await attempts.putMarker(['login', id], seal, 600_000);
    expect(await find('s1', header())).toEqual(login);
    jar.set(name, value.replace(id, seal));
    expect(await find('s1', header())).toBeUndefined();
    await attempts.putMarker(['login', id], await seals.seal({ ...login, id: 'x'.repeat(32) }, 600), 600_000);
    jar.set(name, value);
    expect(await find('s1', header())).toBeUndefined();
  });

  it('a login is not found while its secret is unknown', async () => {
    const { find, begin, header, keyRing } = openBrowser();
    const { login } = await begin('s1');
    keyRing.replace(['another-session-secret-Wd8kPz4RmX7vNq2T']);
    expect(await find('s1', header())).toBeUndefined();
    keyRing.replace(['a-session-secret-Wd8kPz4RmX7vNq2TbL6h']);
    expect(await find('s1', header())).toEqual(login);
  });

  it('a login is ignored when two cookies of its name differ (E9)', async () => {
    const { find, begin, jar, header } = openBrowser();
    await begin('s1');
    const [[name]] = [...jar] as [[string, string]];
    expect(await find('s1', `${header()}; ${name}=other`)).toBeUndefined();
  });

  it('deleting a login clears only its cookie, with the attributes it was set with (D3, E17)', async () => {
    const { cookies, begin, header } = openBrowser();
    await begin('s1');
    await begin('s2');
    expect(cookies.clear('s1', header())).toEqual([
      expect.stringMatching(
        /^__Host-Http-coatcheck-login-\S+=; Path=\/; Max-Age=0; HttpOnly; Secure; SameSite=Lax$/,
      ),
    ]);
    expect(cookies.clear('s3', header())).toEqual([]);
    expect(cookies.clear('s1', undefined)).toEqual([]);
  });

  it.each([
    ['in the store', false],
    ['in its cookie, from an outage,', true],
  ])('a login %s is taken once, and no other tab brings it back (C28, E17)', async (_where, wasDown) => {
    const { cookies, find, begin, header, attempts } = openBrowser();
    const outage = wasDown && vi.spyOn(attempts, 'putMarker').mockRejectedValue(new Error('away'));
    await begin('s1');
    if (outage) outage.mockRestore();
    await begin('s2');
    const found = await cookies.find('s1', header());
    if (found === undefined) throw new Error('it was begun');
    const taken = await Promise.all([cookies.take(found), cookies.take(found)]);
    expect(taken.filter(Boolean)).toHaveLength(1);
    await cookies.update(found, 'k2');
    const again = await cookies.find('s1', header());
    expect(again !== undefined && (await cookies.take(again))).toBe(false);
    expect(await find('s2', header())).toBeDefined();
  });

  it('a login that cannot be taken stays', async () => {
    const { cookies, find, begin, header, attempts } = openBrowser();
    await begin('s1');
    const found = await cookies.find('s1', header());
    if (found === undefined) throw new Error('it was begun');
    vi.spyOn(attempts, 'takeMarker').mockRejectedValue(new Error('away'));
    await expect(cookies.take(found)).rejects.toThrow('away');
    expect(await find('s1', header())).toBeDefined();
  });

  it('a login is not disturbed by another one that cannot be read (C28)', async () => {
    const { cookies, begin, header, attempts } = openBrowser();
    await begin('s1');
    await begin('s2');
    await begin('s3');
    vi.spyOn(attempts, 'getMarker').mockRejectedValueOnce(new Error('away'));
    expect(await cookies.findOthers('s1', header())).toHaveLength(1);
  });
});
