import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { BrowserPage } from '../../../testkit/browsers/browser.ts';
import { status } from '../../../testkit/upstream/behaviours.ts';
import { bundleSnippet } from '../support/bundle.ts';
import { APP } from '../support/shop.ts';
import { openShopInBrowser } from '../support/shop-in-browser.ts';
import { callsOn, runSnippet, snippetOf } from '../support/snippets.ts';

const patiently = { timeout: 60_000 };

/** What the test calls in the page. */
type App = {
  api: { get(path: string): Promise<{ data: unknown }> };
  gateway: { session(): Promise<unknown>; fetch: typeof fetch };
};

// This mode rejects a request without the header of the recipes.
const opened = openShopInBrowser({ config: { csrf: { mode: 'header' } } });
let page: BrowserPage;

beforeEach(async () => {
  page = await opened.context.openPage(`${APP}/`);
});

const signIn = () => page.navigateBy(`${APP}/`, () => document.querySelector('a')?.click(), undefined);

/** Ends the session as the provider does, without a call of the app. */
async function endSession(): Promise<void> {
  const { issuer: iss, families } = opened.shop.provider;
  const query = new URLSearchParams({ iss, sid: families.at(-1)?.grant.sid ?? '' });
  await page.evaluate(async (url) => void (await fetch(url)), `/auth/frontchannel-logout?${query}`);
}

/** Bundles a recipe of the documentation with its package, and with an entry that uses it. */
const bundleRecipe = async (part: string, entry: string) =>
  bundleSnippet(await snippetOf('docs/frontends.md', part), entry);

describe('the recipe for axios', () => {
  /** Calls the API, and returns its data or the status of the error. */
  const get = (path: string) =>
    page.evaluate(async (target) => {
      const { api } = window as unknown as App;
      return api.get(target).then(
        ({ data }) => data,
        (error: { response?: { status: number } }) => error.response?.status,
      );
    }, path);

  let app: string;

  beforeAll(async () => {
    app = await bundleRecipe(
      "from 'axios'",
      `import { createClient } from 'coatcheck-client';
       import { api } from './snippet.tsx';
       const gateway = createClient();
       await gateway.session();
       gateway.onSessionEnded((reason) => window.calls.push(['ended', reason]));
       gateway.onStepUpRequired(({ stepUp }) => window.calls.push(['stepUp', stepUp]));
       Object.assign(window, { api, gateway });`,
    );
  });

  beforeEach(async () => {
    await signIn();
    await runSnippet(page, app);
  });

  it('calls the API, and hears of the end of the session', async () => {
    opened.shop.upstream.respond(status(200, { 'content-type': 'application/json' }, '["umbrella"]'));
    expect(await get('/items')).toEqual(['umbrella']);
    expect(opened.shop.bearers()).toEqual(['/api/items']);
    await endSession();
    expect(await get('/items')).toBe(401);
    await expect.poll(() => callsOn(page), patiently).toEqual([['ended', 'session_expired']]);
  });

  it('hears of a call that needs a fresh sign-in', async () => {
    const challenge = 'Bearer error="insufficient_user_authentication", max_age="60"';
    opened.shop.upstream.respond(status(401, { 'www-authenticate': challenge }));
    expect(await get('/items')).toBe(401);
    await expect.poll(() => callsOn(page), patiently).toEqual([['stepUp', { maxAge: 60 }]]);
  });

  it("passes the API's own 401 to the caller, and keeps the session", async () => {
    opened.shop.upstream.respond(
      status(401, { 'content-type': 'application/json' }, '{"code":"session_required"}'),
    );
    expect(await get('/items')).toBe(401);
    expect(await callsOn(page)).toEqual([]);
  });
});

describe('the recipe for Vue', () => {
  const shown = () => page.evaluate(() => document.querySelector('main')?.innerText);
  it('shows who is signed in, and why the session has ended', async () => {
    const app = await bundleRecipe(
      "from 'vue'",
      `import { createApp, h } from 'vue';
       import { endedBy, gateway, session, start } from './snippet.tsx';
       const main = document.createElement('main');
       document.body.append(main);
       const text = () => session.value?.authenticated ? session.value.claims.name : endedBy.value ?? 'Sign in';
       createApp({ render: () => h('p', text()) }).mount(main);
       await start();
       Object.assign(window, { gateway });`,
    );
    await runSnippet(page, app);
    await expect.poll(shown, patiently).toBe('Sign in');
    await signIn();
    await runSnippet(page, app);
    await expect.poll(shown, patiently).toBe('Alice Example');
    await endSession();
    await page.evaluate(async () => void (await (window as unknown as App).gateway.fetch('/api/items')));
    await expect.poll(shown, patiently).toBe('session_expired');
  });
});
