import { beforeEach, describe, expect, it } from 'vitest';
import type { BrowserPage } from '../../../testkit/browsers/browser.ts';
import { startChromiumBrowser } from '../../../testkit/browsers/chromium.ts';
import { startFirefox } from '../../../testkit/browsers/firefox.ts';
import { APP, EVIL } from '../support/shop.ts';
import { openShopInBrowser } from '../support/shop-in-browser.ts';

/** What the sign-in leads back to: it has everything that HTML and a query escape. */
const RETURN_TO = `/back?a=1&b="'<i>`;
const LANDED = new URL(RETURN_TO, APP).href;
const SIGN_IN = `${APP}/auth/login?returnTo=${encodeURIComponent(RETURN_TO)}`;

describe.each([
  ['Chromium', startChromiumBrowser],
  ['Firefox', startFirefox],
])('a sign-in that another site begins in %s', (_name, start) => {
  const opened = openShopInBrowser({}, start);
  let users = 0;

  beforeEach(async () => {
    opened.shop.provider.user = `user-${(users += 1)}`;
  });

  const sessionsOf = (page: BrowserPage) =>
    page.evaluate(async () => {
      const response = await fetch('/auth/sessions');
      return ((await response.json()) as { sessions: { id: string; current: boolean }[] }).sessions;
    });

  it.each(['a page', 'a redirect'])(
    'ends the earlier session of the browser when it completes, begun by %s of that site (standards: E2)',
    async (way) => {
      const app = await opened.context.openPage(`${APP}/`);
      await app.navigateBy(`${APP}/`, () => document.querySelector('a')?.click(), undefined);
      const [earlier] = await sessionsOf(app);
      expect(earlier).toMatchObject({ current: true });

      const elsewhere = await opened.context.openPage(`${EVIL}/`);
      opened.shop.elsewhere.redirect('/redirect', SIGN_IN);
      const url = way === 'a page' ? SIGN_IN : '/redirect';
      await elsewhere.navigateBy(LANDED, (to) => location.assign(to), url);
      const sessions = await sessionsOf(elsewhere);
      expect(sessions).toMatchObject([{ current: true }]);
      expect(sessions[0]?.id).not.toBe(earlier?.id);
    },
  );

  it('reaches the provider once, and leads back, in a browser without a session', async () => {
    opened.shop.provider.requests.length = 0;
    const elsewhere = await opened.context.openPage(`${EVIL}/`);
    await elsewhere.navigateBy(LANDED, (url) => location.assign(url), SIGN_IN);
    expect(await sessionsOf(elsewhere)).toMatchObject([{ current: true }]);
    expect(opened.shop.provider.requests.filter(({ endpoint }) => endpoint === 'authorize')).toHaveLength(1);
  });
});
