import { describe, expect, it, vi } from 'vitest';
import { createLoginCookies, type PendingLogin } from '../../../src/auth/login-cookies.ts';
import { createReturnTo } from '../../../src/auth/return-to.ts';
import { createKeyRing } from '../../../src/crypto/key-ring.ts';
import { createSealedCookies } from '../../../src/crypto/sealed-cookie.ts';
import { createMemoryStore } from '../../../src/sessions/store/memory-store.ts';
import { createTestClock } from '../clock.ts';

/** The login cookies of a gateway, and a browser that stores them. */
function openBrowser({ secure = true } = {}) {
  const clock = createTestClock();
  const keyRing = createKeyRing(['a-session-secret-Wd8kPz4RmX7vNq2TbL6h']);
  const seals = createSealedCookies(keyRing, 'login-cookie');
  const returnTos = createMemoryStore({ clock: clock.now });
  const cookies = createLoginCookies({
    seals,
    store: returnTos,
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
  return { cookies, clock, jar, header, store, begin, seals, keyRing, returnTos };
}

describe('a started login', () => {
  it('the browser that started a login finds it by its state (B2, B4)', async () => {
    const { cookies, begin, header } = openBrowser();
    const { login } = await begin('s1', { replaces: 'k1' });
    expect(await cookies.find('s1', header())).toEqual(login);
    expect(await cookies.find('s2', header())).toBeUndefined();
    expect(await cookies.find('s1', undefined)).toBeUndefined();
    expect(await cookies.find('s1', openBrowser().header())).toBeUndefined();
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

  it.each([
    [1_024, undefined],
    [64, undefined],
    [1_024, 'd'.repeat(43)],
    [64, 'd'.repeat(43)],
    [21, 'd'.repeat(43)],
  ])(
    'five tabs with %i characters of returnTo keep their logins in 4 kB (E10), DPoP key: %s',
    async (length, dpopKey) => {
      const { cookies, begin, header, clock } = openBrowser();
      const longest = createReturnTo('https://app.example.com', '/auth')(`/${'a'.repeat(length - 1)}`);
      const issuer = 'https://login.example.com/realms/a-realm-of-some-length';
      for (let at = 0; at < 6; at += 1) {
        clock.advance(1_000);
        const given = {
          issuer,
          returnTo: longest ?? '',
          nonce: 'n'.repeat(43),
          codeVerifier: 'v'.repeat(43),
          replaces: 'k'.repeat(43),
          dpopKey,
        };
        const { lines } = await begin(`${at}`.repeat(43), given);
        expect(lines[0]?.length).toBeLessThan(4_096);
      }
      expect(header().length).toBeLessThan(4_096);
      for (let at = 1; at < 6; at += 1)
        expect(await cookies.find(`${at}`.repeat(43), header())).toMatchObject({
          returnTo: longest,
          ...(dpopKey !== undefined && { dpopKey }),
        });
    },
  );

  it('while the store is down, cookies stay below 4 kB and the newest login displaces older ones (E10)', async () => {
    const { cookies, begin, header, clock, returnTos } = openBrowser();
    vi.spyOn(returnTos, 'putMarker').mockRejectedValue(new Error('away'));
    for (const state of ['s1', 's2', 's3', 's4']) {
      clock.advance(1_000);
      await begin(state, { returnTo: `/${'a'.repeat(1_023)}` });
      expect(header().length).toBeLessThan(4_096);
      expect(await cookies.find(state, header())).toMatchObject({ returnTo: `/${'a'.repeat(1_023)}` });
    }
  });

  it('a login leads to the default page when the store has lost its returnTo', async () => {
    const { cookies, begin, header, returnTos } = openBrowser();
    await begin('s1', { returnTo: `/${'a'.repeat(200)}` });
    vi.spyOn(returnTos, 'getMarker').mockRejectedValue(new Error('away'));
    expect(await cookies.find('s1', header())).toMatchObject({ returnTo: '/home' });
  });

  it('a login leads to the default page when the store has the returnTo of another login', async () => {
    const { cookies, begin, header, returnTos } = openBrowser();
    await begin('s1', { returnTo: `/one${'a'.repeat(200)}` });
    await begin('s2', { returnTo: `/two${'a'.repeat(200)}` });
    const getMarker = returnTos.getMarker.bind(returnTos);
    vi.spyOn(returnTos, 'getMarker').mockImplementation(() => getMarker(['login-return-to', 's2']));
    expect(await cookies.find('s1', header())).toMatchObject({ returnTo: '/home' });
    expect(await cookies.find('s2', header())).toMatchObject({ returnTo: `/two${'a'.repeat(200)}` });
  });

  it('a step-up is not found when the store has what another one requires', async () => {
    const { cookies, begin, header, returnTos } = openBrowser();
    await begin('s1', { stepUp: { acrValues: ['strong'], scopes: [], resources: [] } });
    await begin('s2', { stepUp: { acrValues: ['weak'], scopes: [], resources: [] } });
    const getMarker = returnTos.getMarker.bind(returnTos);
    vi.spyOn(returnTos, 'getMarker').mockImplementation(() => getMarker(['login-return-to', 's2']));
    expect(await cookies.find('s1', header())).toBeUndefined();
    expect(await cookies.find('s2', header())).toMatchObject({ stepUp: { acrValues: ['weak'] } });
  });

  it('the store contains no readable part of a long returnTo', async () => {
    const { begin, returnTos } = openBrowser();
    const put = vi.spyOn(returnTos, 'putMarker');
    await begin('canary-state', { returnTo: `/canary${'a'.repeat(200)}` });
    expect(put).toHaveBeenCalledOnce();
    expect(put.mock.calls[0]?.[1]).not.toContain('canary');
  });

  it('logins in different tabs do not disturb each other, whichever ends first (C28)', async () => {
    const { cookies, begin, header, store } = openBrowser();
    const logins = [await begin('s1'), await begin('s2'), await begin('s3')].map(({ login }) => login);
    for (const login of logins.toReversed()) {
      expect(await cookies.find(login.state, header())).toEqual(login);
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
    jar.set('__Host-Http-coatcheck-login-000000000.planted', 'Fe26.2*nonsense');
    const others = await cookies.findOthers('s3', header());
    expect(others.toSorted((a, b) => a.startedAtMs - b.startedAtMs)).toEqual([first, second]);
    clock.advance(300_000);
    expect(await cookies.findOthers('s3', header())).toEqual([second]);
    expect(await cookies.findOthers('s3', undefined)).toEqual([]);
  });

  it('an amended login keeps its name and its remaining time', async () => {
    const { cookies, begin, header, clock, jar, store } = openBrowser();
    const { login } = await begin('s1');
    const names = [...jar.keys()];
    clock.advance(240_000);
    const line = await cookies.update({ ...login, replaces: 'k2' });
    expect(line).toMatch(/; Max-Age=360; HttpOnly; Secure; SameSite=Lax$/);
    store([line]);
    expect([...jar.keys()]).toEqual(names);
    expect(await cookies.find('s1', header())).toEqual({ ...login, replaces: 'k2' });
    clock.advance(360_000);
    expect(await cookies.find('s1', header())).toBeUndefined();
  });

  it('a login cookie has a plain name on loopback http', async () => {
    const { cookies, begin, header } = openBrowser({ secure: false });
    const { lines } = await begin('s1');
    expect(lines[0]).toMatch(/^coatcheck-login-\S+=\S+; Path=\/; Max-Age=600; HttpOnly; SameSite=Lax$/);
    expect(await cookies.find('s1', header())).toBeDefined();
  });
});

describe('the number of pending logins in a browser', () => {
  it('a browser keeps at most five pending logins and drops the oldest first (C28)', async () => {
    const { cookies, begin, header, jar, clock } = openBrowser();
    for (let at = 1; at <= 7; at += 1) {
      await begin(`s${at}`);
      clock.advance(1_000);
    }
    expect(jar.size).toBe(5);
    const found = await Promise.all([1, 2, 3, 4, 5, 6, 7].map((at) => cookies.find(`s${at}`, header())));
    expect(found.map((login) => login?.state)).toEqual([undefined, undefined, 's3', 's4', 's5', 's6', 's7']);
  });

  it('the number of login cookies returns to five from any number and order', async () => {
    const { begin, jar, clock } = openBrowser();
    for (let at = 0; at < 20; at += 1)
      jar.set(`__Host-Http-coatcheck-login-${String(at).padStart(9, '0')}.x`, 'old');
    clock.advance(1_000);
    const { lines } = await begin('s1');
    expect(lines).toHaveLength(17);
    expect(
      lines.slice(1).every((line) => line.includes('=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax')),
    ).toBe(true);
    expect(jar.size).toBe(5);
    expect([...jar.keys()].slice(0, 4).join()).toMatch(/16\.x.*17\.x.*18\.x.*19\.x/);
  });

  it('tabs that begin at the same moment exceed the limits only until the first callback (E10)', async () => {
    const { cookies, header, jar, store, clock } = openBrowser();
    for (let at = 0; at < 12; at += 1) {
      const state = `s${at}`.padEnd(43, 's');
      const login = {
        issuer: 'https://login.example.com',
        state,
        nonce: 'n'.repeat(43),
        codeVerifier: 'v'.repeat(43),
        returnTo: '/',
        startedAtMs: clock.now(),
      };
      store(await cookies.set(login, undefined));
      clock.advance(1);
    }
    expect(jar.size).toBe(12);
    const state = 's0'.padEnd(43, 's');
    const others = await cookies.findOthers(state, header());
    store(cookies.clear(state, header()));
    expect(header().length).toBeLessThan(4_096);
    expect(jar.size).toBe(4);
    const left = await cookies.findOthers(state, header());
    expect(others.map((login) => login.state)).toEqual(left.map((login) => login.state));
    expect(left.map((login) => login.state.slice(0, 3))).toEqual(['s8s', 's9s', 's10', 's11']);
  });
});

describe('a stored login', () => {
  it('a login expires after ten minutes by the clock of the gateway (E17)', async () => {
    const { cookies, begin, header, clock } = openBrowser();
    await begin('s1');
    clock.advance(599_999);
    expect(await cookies.find('s1', header())).toBeDefined();
    clock.advance(1);
    expect(await cookies.find('s1', header())).toBeUndefined();
  });

  it('a login does not match the state of another login, even under its name (B7)', async () => {
    const { cookies, begin, jar, header } = openBrowser();
    await begin('s1');
    await begin('s2');
    const [[first, one], [second, two]] = [...jar] as [[string, string], [string, string]];
    jar.set(first, two).set(second, one);
    expect(await cookies.find('s1', header())).toBeUndefined();
    expect(await cookies.find('s2', header())).toBeUndefined();
  });

  it('a login cookie is ignored when one bit has changed or when it was sealed for another purpose (B7)', async () => {
    const { cookies, begin, jar, header, keyRing, clock } = openBrowser();
    const { login } = await begin('s1');
    const [[name, seal]] = [...jar] as [[string, string]];
    const at = seal.length >> 1;
    jar.set(name, `${seal.slice(0, at)}${seal[at] === 'A' ? 'B' : 'A'}${seal.slice(at + 1)}`);
    expect(await cookies.find('s1', header())).toBeUndefined();
    const sessionSeals = createSealedCookies(keyRing, 'session-cookie');
    jar.set(name, await sessionSeals.seal({ ...login, startedAtMs: clock.now() }, 0));
    expect(await cookies.find('s1', header())).toBeUndefined();
  });

  it('a login cookie is ignored when its sealed content is incomplete', async () => {
    const { cookies, begin, jar, header, seals } = openBrowser();
    const { login } = await begin('s1');
    const [[name]] = [...jar] as [[string, string]];
    for (const value of [
      {},
      { ...login, nonce: 1 },
      { ...login, startedAtMs: 'now' },
      { ...login, codeVerifier: undefined },
    ]) {
      jar.set(name, await seals.seal(value, 600));
      expect(await cookies.find('s1', header())).toBeUndefined();
    }
  });

  it('a login is ignored when two cookies of its name differ (E9)', async () => {
    const { cookies, begin, jar, header } = openBrowser();
    await begin('s1');
    const [[name]] = [...jar] as [[string, string]];
    expect(await cookies.find('s1', `${header()}; ${name}=other`)).toBeUndefined();
  });

  it('deleting a login clears only its cookie, with the attributes it was set with (D3, E17)', async () => {
    const { cookies, begin, header } = openBrowser();
    await begin('s1');
    await begin('s2');
    const lines = cookies.clear('s1', header());
    expect(lines).toEqual([
      expect.stringMatching(
        /^__Host-Http-coatcheck-login-\S+=; Path=\/; Max-Age=0; HttpOnly; Secure; SameSite=Lax$/,
      ),
    ]);
    expect(cookies.clear('s3', header())).toEqual([]);
    expect(cookies.clear('s1', undefined)).toEqual([]);
  });
});
