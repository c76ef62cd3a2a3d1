import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { BrowserContext, BrowserPage, TestBrowser } from '../../../testkit/browsers/browser.ts';
import { startChromiumBrowser } from '../../../testkit/browsers/chromium.ts';
import { startFirefox } from '../../../testkit/browsers/firefox.ts';
import { APP, openShop, type Shop } from '../support/shop.ts';
import { callHelper, shownOn, WATCHING_APP } from '../support/watching-app.ts';

const patiently = { timeout: 60_000 };

/** How long the provider's logout page takes to come. */
const SLOW_MS = 1_500;

describe.each([
  ['Chromium', startChromiumBrowser],
  ['Firefox', startFirefox],
])('a sign-out with the browser helper in %s', (name, start) => {
  let shop: Shop;
  let browser: TestBrowser;
  let context: BrowserContext;

  beforeAll(async () => {
    shop = await openShop({ index: WATCHING_APP });
    browser = await start(shop.hosts);
  });

  afterAll(async () => {
    await browser?.close();
    await shop?.close();
  });

  beforeEach(async () => {
    shop.reset();
    shop.provider.requests.length = 0;
    shop.provider.user = 'alice';
    context = await browser.newContext();
  });

  afterEach(async () => {
    shop.provider.faults.clear();
    await context.close();
  });

  const hasCalled = (name: string) => shop.upstream.requests.some(({ target }) => target === `/api/${name}`);
  const startsOfSignIn = () =>
    shop.provider.requests.filter(({ endpoint }) => endpoint === 'authorize').length;

  /** Opens a page and signs in. */
  async function signIn(path: string): Promise<BrowserPage> {
    const page = await context.openPage(`${APP}/start`);
    await page.navigateBy(
      APP + path,
      (returnTo) => location.assign(`/auth/login?returnTo=${encodeURIComponent(returnTo)}`),
      path,
    );
    return page;
  }

  /** Signs out in a page and waits until the browser is back at the app. */
  async function signOut(page: BrowserPage): Promise<void> {
    await callHelper(page, 'logout');
    await expect.poll(() => page.evaluate(() => location.href).catch(String), patiently).toBe(`${APP}/`);
    await expect.poll(() => shownOn(page), patiently).toMatchObject({ who: 'nobody', notice: '' });
  }

  it('gives the provider the ID token hint, which its redirect back to the app needs', async () => {
    const page = await signIn('/app');
    await signOut(page);
    expect(shop.provider.requests.filter(({ endpoint }) => endpoint === 'end_session')).toMatchObject([
      { method: 'GET', query: { id_token_hint: expect.any(String), post_logout_redirect_uri: `${APP}/` } },
    ]);
  });

  it('is not undone by pages that poll and leave for the sign-in, while the provider is slow', async () => {
    shop.provider.faults.delayMs('end_session', SLOW_MS);
    const page = await signIn('/?poll=first&redirect');
    await context.openPage(`${APP}/?poll=second&redirect`);
    await expect.poll(() => hasCalled('first') && hasCalled('second'), patiently).toBe(true);
    const before = startsOfSignIn();
    await signOut(page);
    expect(startsOfSignIn()).toBe(before);
    await page.reload();
    await expect.poll(() => shownOn(page), patiently).toMatchObject({ who: 'nobody' });
  });

  it.each(['/other?poll=other', '/other'])(
    'removes the user from the other tab %s while the provider is still busy',
    async (path) => {
      const hold = shop.provider.faults.hold('end_session');
      const page = await signIn('/app');
      const other = await context.openPage(APP + path);
      await expect.poll(() => shownOn(other), patiently).toMatchObject({ who: 'alice' });
      await callHelper(page, 'logout');
      await hold.waiting();
      await expect.poll(() => shownOn(other), patiently).toMatchObject({ who: '', notice: 'signed_out' });
      hold.release();
    },
  );

  it('shows no user after Back', async () => {
    const page = await signIn('/app');
    await expect.poll(() => shownOn(page), patiently).toMatchObject({ who: 'alice' });
    await signOut(page);
    await page.evaluate(() => void setTimeout(() => history.back()));
    await expect.poll(() => page.evaluate(() => location.href).catch(String), patiently).toBe(`${APP}/app`);
    // Chromium, as these tests drive it, has no back-forward cache: it loads the page again.
    const expected =
      name === 'Firefox'
        ? { who: '', notice: 'signed_out', wasRestored: true }
        : { who: 'nobody', notice: '', wasRestored: false };
    await expect.poll(() => shownOn(page).catch(String), patiently).toEqual(expected);
  });

  it('is distinguished from a sign-in as another user in another tab', async () => {
    const page = await signIn('/app');
    const other = await context.openPage(`${APP}/other`);
    await expect.poll(() => shownOn(other), patiently).toMatchObject({ who: 'alice' });
    await callHelper(page, 'login', { loginHint: 'bob', returnTo: '/back' });
    await expect.poll(() => shownOn(page).catch(String), patiently).toMatchObject({ who: 'bob', notice: '' });
    await expect.poll(() => shownOn(other), patiently).toMatchObject({ who: '', notice: 'user_changed' });
  });

  it('is distinguished from an expired session, which one tab finds and all show', async () => {
    const page = await signIn('/app?poll=app');
    const other = await context.openPage(`${APP}/other`);
    await expect.poll(() => shownOn(other), patiently).toMatchObject({ who: 'alice' });
    const { issuer: iss, families } = shop.provider;
    const query = new URLSearchParams({ iss, sid: families.at(-1)?.grant.sid ?? '' });
    await page.evaluate(async (url) => void (await fetch(url)), `/auth/frontchannel-logout?${query}`);
    await expect.poll(() => shownOn(other), patiently).toMatchObject({ who: '', notice: 'session_expired' });
  });
});

describe('a sign-out with a provider that has no logout endpoint', () => {
  it('is not undone by pages that poll and leave for the sign-in', async () => {
    const provider = { metadata: { end_session_endpoint: undefined } };
    const shop = await openShop({ index: WATCHING_APP, provider });
    const browser = await startChromiumBrowser(shop.hosts);
    const context = await browser.newContext();
    const page = await context.openPage(`${APP}/start`);
    const returnTo = '/?poll=first&redirect';
    await page.navigateBy(
      APP + returnTo,
      (path) => location.assign(`/auth/login?returnTo=${encodeURIComponent(path)}`),
      returnTo,
    );
    const other = await context.openPage(`${APP}/?poll=second&redirect`);
    const calls = (name: string) =>
      shop.upstream.requests.filter(({ target }) => target === `/api/${name}`).length;
    await expect.poll(() => calls('first') > 0 && calls('second') > 0, patiently).toBe(true);

    await callHelper(page, 'logout');
    await expect.poll(() => page.evaluate(() => location.href).catch(String), patiently).toBe(`${APP}/`);
    await expect.poll(() => shownOn(page), patiently).toMatchObject({ who: 'nobody' });
    await expect.poll(() => shownOn(other), patiently).toMatchObject({ who: '', notice: 'signed_out' });
    expect(shop.provider.requests.filter(({ endpoint }) => endpoint === 'authorize')).toHaveLength(1);
    await browser.close();
    await shop.close();
  });
});

describe.each([
  ['Chromium', startChromiumBrowser],
  ['Firefox', startFirefox],
])('a page after the sign-out that leaves for the sign-in by itself in %s', (_name, start) => {
  it('signs nobody in: a provider without a logout endpoint is asked only after a click', async () => {
    const afterSignOut = '/?poll=after-sign-out&redirect';
    const shop = await openShop({
      index: WATCHING_APP,
      provider: { metadata: { end_session_endpoint: undefined } },
      config: { login: { postLogoutReturnTo: afterSignOut } },
    });
    const browser = await start(shop.hosts);
    const page = await (await browser.newContext()).openPage(`${APP}/start`);
    await page.navigateBy(
      APP + afterSignOut,
      (path) => location.assign(`/auth/login?returnTo=${encodeURIComponent(path)}`),
      afterSignOut,
    );
    const signIns = () => shop.provider.requests.filter(({ endpoint }) => endpoint === 'authorize').length;
    expect(signIns()).toBe(1);

    await callHelper(page, 'logout');
    // What a test runs in a page counts as a click, so nothing runs in it before it has left.
    const leaves = () =>
      shop.front.sent().split(`GET /auth/login?returnTo=${encodeURIComponent(afterSignOut)}`);
    await expect.poll(() => leaves().length, patiently).toBe(3);
    await expect.poll(() => page.evaluate(() => document.title), patiently).toBe('You have signed out');
    expect(signIns()).toBe(1);
    await page.navigateBy(APP + afterSignOut, () => document.querySelector('a')?.click(), undefined);
    await expect.poll(() => shownOn(page), patiently).toMatchObject({ who: 'alice' });
    expect(signIns()).toBe(2);
    await browser.close();
    await shop.close();
  });
});
