import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { BrowserContext, BrowserPage, TestBrowser } from '../../testkit/browsers/browser.ts';
import { startChromiumBrowser } from '../../testkit/browsers/chromium.ts';
import { startFirefox } from '../../testkit/browsers/firefox.ts';
import { attack, REQUESTS_OF_ATTACK } from './support/attack.ts';
import { APP, EVIL, openShop, type Shop, SIBLING, TICKET } from './support/shop.ts';

/** How long requests may take to arrive, in milliseconds. */
const patiently = { timeout: 60_000 };

/** The kinds of other sites, for `describe.each`. */
const otherSites = [
  ['another site', EVIL],
  ['a sibling host with the cookie', SIBLING],
] as const;

const formTypes = ['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain'];

/** The session as the app's own page receives it. */
const sessionOf = (page: BrowserPage) =>
  page.evaluate(async () => (await fetch('/auth/session')).json() as Promise<Record<string, unknown>>);

/** Opens the app and signs in. */
async function signIn(context: BrowserContext): Promise<BrowserPage> {
  const page = await context.openPage(`${APP}/`);
  await signInAt(page);
  return page;
}

const signInAt = (page: BrowserPage) =>
  page.navigateBy(`${APP}/`, () => document.querySelector('a')?.click(), undefined);

/** Submits a form in the page, as a navigation. */
function submit(attributes: { action: string; method: string; enctype?: string }): void {
  const form = document.createElement('form');
  Object.assign(form, attributes);
  document.body.append(form);
  form.submit();
}

/** The cookies of the app whose names could pass for that of the session. */
const ticketsOf = async (context: BrowserContext) =>
  (await context.cookies()).filter(
    ({ name, domain }) => domain.endsWith('shop.test') && name.toLowerCase().includes('coatcheck'),
  );

describe.each([
  ['Chromium', startChromiumBrowser],
  ['Firefox', startFirefox],
])('in %s', (_name, start) => {
  let shop: Shop;
  let browser: TestBrowser;
  let context: BrowserContext;
  /** A page of the app, signed in. */
  let app: BrowserPage;

  beforeAll(async () => {
    shop = await openShop();
    browser = await start(shop.hosts);
    context = await browser.newContext();
    app = await signIn(context);
  });

  beforeEach(() => shop.reset());

  afterAll(async () => {
    await browser?.close();
    await shop?.close();
  });

  describe('a sign-in at a provider on another site', () => {
    it('starts a session that the first request of the app and a reload have (standards: A6, E25)', async () => {
      const other = await browser.newContext();
      const page = await signIn(other);
      expect(await sessionOf(page)).toMatchObject({ authenticated: true, subject: 'alice' });
      await page.reload();
      expect(await sessionOf(page)).toMatchObject({ authenticated: true });
      await other.close();
    });

    it('sets one cookie that only this host can set and no script can read (standards: A4–A8, E13)', async () => {
      expect(await ticketsOf(context)).toMatchObject([
        {
          name: TICKET,
          domain: 'app.shop.test',
          path: '/',
          secure: true,
          httpOnly: true,
          sameSite: 'strict',
          endsWithBrowser: true,
        },
      ]);
      expect(await app.evaluate(() => document.cookie)).toBe('');
    });
  });

  describe.each(otherSites)('a page of %s', (_what, origin) => {
    /** The number of requests that reached the gateway. */
    const arrived = (urls: readonly string[]) =>
      urls.filter((url) => shop.front.sent().includes(` ${url.slice(APP.length)}`)).length;

    it('cannot make a call that carries the access token (standards: A6, A10, A13)', async () => {
      await app.evaluate(async () => (await fetch('/api/own')).status);
      expect(shop.bearers()).toEqual(['/api/own']);
      const page = await context.openPage(origin);
      const base = `${APP}/api/${new URL(origin).hostname}`;
      const paths = await page.evaluate(attack, base);
      await expect.poll(() => arrived(paths), patiently).toBeGreaterThan(REQUESTS_OF_ATTACK);
      await page.navigateBy(`${base}/navigation`, (url) => location.assign(url), `${base}/navigation`);
      await app.evaluate(async () => (await fetch('/api/after')).status);
      expect(shop.bearers()).toEqual(['/api/own', '/api/after']);
      expect(shop.upstream.requests.map(({ target }) => target)).toEqual(['/api/own', '/api/after']);
      await page.close();
    });

    it('cannot sign the user out (standards: A10, D2)', async () => {
      const page = await context.openPage(origin);
      const paths = await page.evaluate(attack, `${APP}/auth/logout?${new URL(origin).hostname}`);
      await expect.poll(() => arrived(paths), patiently).toBeGreaterThan(REQUESTS_OF_ATTACK);
      expect(await sessionOf(app)).toMatchObject({ authenticated: true });
      await page.close();
    });
  });

  describe('a sibling host', () => {
    /** The ticket of another user, in every place and spelling that the gateway could mistake for its cookie. */
    const tossed = [
      `${TICKET}=tossed; Domain=shop.test; Path=/; Secure; HttpOnly`,
      `${TICKET}=tossed; Domain=shop.test; Path=/api; Secure`,
      `__host-http-coatcheck=tossed; Domain=shop.test; Path=/; Secure`,
      `=${TICKET}=tossed; Domain=shop.test; Path=/; Secure`,
      `${TICKET}; Domain=shop.test; Path=/; Secure`,
      `coatcheck=tossed; Domain=shop.test; Path=/; Secure`,
      `__Host-coatcheck=tossed; Domain=shop.test; Path=/; Secure`,
    ];

    async function toss(at: BrowserContext, lines = tossed): Promise<void> {
      shop.elsewhere.send({ 'set-cookie': lines });
      const page = await at.openPage(SIBLING);
      await page.evaluate((cookies) => cookies.forEach((line) => (document.cookie = line)), lines);
      await page.close();
    }

    /** A ticket under a name with a byte before it that browsers keep and `trim()` strips, so that no prefix protects it. */
    const prefixed = (value: string) =>
      ['\u00a0', '\u00a0\u00a0'].map((byte) => `${byte}${TICKET}=${value}; Domain=shop.test; Path=/; Secure`);

    it('cannot replace the session cookie with its own cookie (standards: A8, E9)', async () => {
      const before = await ticketsOf(context);
      await toss(context);
      expect((await ticketsOf(context)).filter(({ name }) => name === TICKET)).toEqual(before);
      expect(await sessionOf(app)).toMatchObject({ authenticated: true });
      // Some of them did arrive, under another name.
      expect(shop.front.sent()).toContain('coatcheck=tossed');
      expect(shop.front.sent()).not.toContain(`; ${TICKET}=tossed`);
    });

    it('cannot sign a browser in to its own session or out with a no-break space before the cookie name (GHSA-r5rp-j6wh-rvv4; standards: A8, E2, E9)', async () => {
      const [attacker, victim, fresh] = await Promise.all([
        browser.newContext(),
        browser.newContext(),
        browser.newContext(),
      ]);
      await signIn(attacker);
      const page = await signIn(victim);
      const planted = (await ticketsOf(attacker))[0]?.value ?? '';

      const before = await sessionOf(page);
      await toss(victim, prefixed(planted));
      expect(await page.evaluate(async () => (await fetch('/api/own')).status)).toBe(200);
      expect(await sessionOf(page)).toMatchObject({ sessionId: before['sessionId'] });
      expect(shop.front.sent()).toContain(`\u00a0${TICKET}=${planted}`);

      await toss(fresh, prefixed(planted));
      expect(await sessionOf(await fresh.openPage(APP))).toMatchObject({ authenticated: false });
      await Promise.all([attacker, victim, fresh].map((each) => each.close()));
    });

    it('cannot plant a session in a browser before the sign-in (standards: E2)', async () => {
      const other = await browser.newContext();
      await toss(other);
      const page = await other.openPage(`${APP}/`);
      expect(await sessionOf(page)).toEqual({ authenticated: false, loginUrl: '/auth/login' });
      await signInAt(page);
      expect(await sessionOf(page)).toMatchObject({ authenticated: true, subject: 'alice' });
      const tickets = (await ticketsOf(other)).filter(({ name }) => name === TICKET);
      expect(tickets).toMatchObject([
        { domain: 'app.shop.test', value: expect.stringMatching(/^Fe26\.2\*/) },
      ]);
      await other.close();
    });
  });

  describe('with a service worker of the app that repeats requests', () => {
    let served: BrowserContext;
    let page: BrowserPage;

    beforeAll(async () => {
      served = await browser.newContext();
      page = await served.openPage(`${APP}/`);
      await page.evaluate(async () => {
        await navigator.serviceWorker.register('/worker.js');
        await navigator.serviceWorker.ready;
        if (navigator.serviceWorker.controller) return;
        await new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve));
      });
      await signInAt(page);
    });

    afterAll(() => served?.close());

    it('signs in and makes calls of the app (standards: A21)', async () => {
      expect(await page.evaluate(() => navigator.serviceWorker.controller !== null)).toBe(true);
      expect(await sessionOf(page)).toMatchObject({ authenticated: true, subject: 'alice' });
      const status = await page.evaluate(async () => (await fetch('/api/own', { method: 'POST' })).status);
      expect(status).toBe(200);
    });

    it.each(otherSites)('rejects every form of %s to an API (standards: A10)', async (_what, origin) => {
      for (const type of formTypes) await submitForm(origin, type, '/api/form');
      expect(shop.upstream.requests).toEqual([]);
    });

    it.each(otherSites)(
      'keeps the session when a form of %s asks to sign out (standards: A10, D2)',
      async (_what, origin) => {
        for (const type of formTypes) await submitForm(origin, type, '/auth/logout');
        expect(await sessionOf(page)).toMatchObject({ authenticated: true });
        expect((await ticketsOf(served)).map(({ name }) => name)).toEqual([TICKET]);
      },
    );

    it('signs out by a form of the app (standards: D1, D2)', async () => {
      await page.navigateBy(`${APP}/`, submit, { action: '/auth/logout', method: 'post' });
      expect(await sessionOf(page)).toMatchObject({ authenticated: false });
      expect(await ticketsOf(served)).toEqual([]);
    });

    /** Posts a form from a page of another origin, as a navigation, and waits until the response is shown. */
    async function submitForm(origin: string, enctype: string, path: string): Promise<void> {
      const foreign = await served.openPage(origin);
      await foreign.navigateBy(APP + path, submit, { action: APP + path, method: 'post', enctype });
      const shown = () => foreign.evaluate(() => document.body.textContent);
      await expect.poll(shown, patiently).toMatch(/Request not accepted|(?:csrf|origin)_rejected/);
      await foreign.close();
    }
  });

  describe('a sign-out', () => {
    it('removes the cookie from the browser and the next page has no session (standards: D3)', async () => {
      await app.evaluate(async () => (await fetch('/auth/logout', { method: 'POST' })).status);
      expect((await ticketsOf(context)).filter(({ name }) => name === TICKET)).toEqual([]);
      await app.reload();
      expect(await sessionOf(app)).toMatchObject({ authenticated: false });
    });
  });
});
