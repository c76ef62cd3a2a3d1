import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Rolldown } from 'vite';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { BrowserContext, BrowserPage, TestBrowser } from '../../../testkit/browsers/browser.ts';
import { startChromiumBrowser } from '../../../testkit/browsers/chromium.ts';
import { status } from '../../../testkit/upstream/behaviours.ts';
import { APP, openShop, type Shop } from '../support/shop.ts';
import { callsOn, clickShown, runSnippet, snippetFor, snippetsOf } from '../support/snippets.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const patiently = { timeout: 20_000 };

/** A part of each snippet of docs/client.md. Every test runs one of them. */
const parts = {
  create: 'createClient<{ name: string; email: string }>()',
  read: 'else showSignInButton()',
  login: "loginHint: 'ada@example.com'",
  logout: 'gateway.logout();',
  failure: "get('auth_error')",
  upload: 'new XMLHttpRequest()',
  sockets: 'new WebSocket(',
  ended: 'gateway.onSessionEnded(',
  idle: 'gateway.onIdleWarning(',
  stepUp: 'gateway.onStepUpRequired(',
  react: '<SessionProvider',
  options: "createClient({ prefix: '/bff' })",
};

describe('the snippets of docs/client.md, run in a page', () => {
  let shop: Shop;
  let browser: TestBrowser;
  let context: BrowserContext;
  let page: BrowserPage;

  beforeAll(async () => {
    const parameters = { prompt: ['create'], ui_locales: 'any' };
    shop = await openShop({ config: { login: { parameters } } });
    browser = await startChromiumBrowser(shop.hosts);
  });

  afterAll(async () => {
    await browser?.close();
    await shop?.close();
  });

  beforeEach(async () => {
    shop.reset();
    shop.provider.user = 'alice';
    await context?.close();
    context = await browser.newContext();
    page = await context.openPage(`${APP}/`);
  });

  const run = async (part: string) => runSnippet(page, await snippetFor('docs/client.md', part));
  /** Runs a snippet that leaves the page, and waits until the browser is back at the app. */
  const leaveBy = async (part: string) => {
    const append = (text: string) =>
      void setTimeout(() => document.head.append(Object.assign(document.createElement('script'), { text })));
    await page.navigateBy(`${APP}/`, append, await snippetFor('docs/client.md', part));
  };
  const lastSignIn = () => shop.provider.requests.findLast(({ endpoint }) => endpoint === 'authorize')?.query;

  /** Signs in, and gives the page a client, as the first snippet does. */
  async function signIn(): Promise<void> {
    await page.navigateBy(`${APP}/`, () => document.querySelector('a')?.click(), undefined);
    await useClient();
  }

  const useClient = () =>
    runSnippet(
      page,
      `import { createClient } from '/coatcheck/index.js';
       window.gateway = createClient();
       await gateway.session();`,
    );

  /** Ends the session as the provider does, without a call of the app. */
  async function endSession(): Promise<void> {
    const { issuer: iss, families } = shop.provider;
    const query = new URLSearchParams({ iss, sid: families.at(-1)?.grant.sid ?? '' });
    await page.evaluate(async (url) => void (await fetch(url)), `/auth/frontchannel-logout?${query}`);
  }

  it('has a test for each of them', async () => {
    const texts = (await snippetsOf('docs/client.md')).map(({ text }) => text);
    const isTested = (text: string) => Object.values(parts).some((part) => text.includes(part));
    expect(texts.filter((text) => !isTested(text))).toEqual([]);
  });

  it('creates a client, reads the session and calls the API', async () => {
    await signIn();
    await run(parts.create);
    expect(shop.bearers()).toEqual(['/api/items']);
  });

  it('reads who is signed in', async () => {
    await useClient();
    expect(await run(parts.read)).toEqual([['showSignInButton']]);
    await signIn();
    expect(await run(parts.read)).toEqual([['greet', 'Alice Example']]);
  });

  it('signs in, the last of its three ways with parameters', async () => {
    await useClient();
    await leaveBy(parts.login);
    expect(lastSignIn()).toMatchObject({ prompt: 'create', ui_locales: 'de' });
  });

  it('signs out', async () => {
    await signIn();
    await leaveBy(parts.logout);
    await useClient();
    expect(await run(parts.read)).toEqual([['showSignInButton']]);
  });

  it('reads why a sign-in has failed', async () => {
    expect(await run(parts.failure)).toEqual([]);
    await page.goto(`${APP}/?auth_error=access_denied`);
    expect(await run(parts.failure)).toEqual([['showNotice', 'You cancelled the sign-in.']]);
  });

  it('shows the progress of an upload, and hears of an end from its response', async () => {
    await signIn();
    await page.evaluate(() => void Object.assign(window, { file: new Blob(['x'.repeat(10_000)]) }));
    await run(parts.upload);
    await expect.poll(() => callsOn(page), patiently).toContainEqual(['showProgress', 1]);
    expect(shop.bearers()).toEqual(['/api/files']);

    await run(parts.ended);
    await endSession();
    await run(parts.upload);
    await expect
      .poll(() => callsOn(page), patiently)
      .toContainEqual(['showNotice', 'Your session has ended.', { button: 'Sign in' }]);
  });

  it('hears of an end from a WebSocket and an event stream that fail', async () => {
    await signIn();
    await run(parts.ended);
    await endSession();
    await run(parts.sockets);
    await expect
      .poll(() => callsOn(page), patiently)
      .toContainEqual(['showNotice', 'Your session has ended.', { button: 'Sign in' }]);
  });

  it('hides personal data when the session has ended, and signs in by the button', async () => {
    await signIn();
    await run(parts.ended);
    await endSession();
    await page.evaluate(async () => {
      await (window as unknown as { gateway: { fetch: typeof fetch } }).gateway.fetch('/api/items');
    });
    await expect
      .poll(() => callsOn(page), patiently)
      .toEqual([['hidePersonalData'], ['showNotice', 'Your session has ended.', { button: 'Sign in' }]]);
    shop.provider.requests.length = 0;
    await clickShown(page);
    await expect.poll(lastSignIn, patiently).toBeDefined();
  });

  it('shows what a call needs, and asks the provider for it by the button', async () => {
    await signIn();
    const challenge = 'Bearer error="insufficient_user_authentication", acr_values="gold"';
    shop.upstream.respond(status(401, { 'www-authenticate': challenge }));
    await run(parts.stepUp);
    await page.evaluate(async () => {
      await (window as unknown as { gateway: { fetch: typeof fetch } }).gateway.fetch('/api/items');
    });
    await expect
      .poll(() => callsOn(page), patiently)
      .toEqual([['showNotice', 'This call needs a fresh sign-in.', { button: 'Sign in again' }]]);
    await clickShown(page);
    await expect.poll(lastSignIn, patiently).toMatchObject({ acr_values: 'gold' });
  });

  it('creates clients with options', async () => {
    await page.evaluate(() => void Object.assign(window, { myFetch: fetch }));
    expect(await run(parts.options)).toEqual([]);
  });

  it('shows the user, calls the API and signs out in React', async () => {
    await signIn();
    shop.upstream.respond(status(200, { 'content-type': 'application/json' }, '["umbrella"]'));
    const [snippet] = (await snippetsOf('docs/client.md')).filter(({ language }) => language === 'tsx');
    await runSnippet(page, await bundle(snippet?.text ?? ''));
    const shown = () => page.evaluate(() => document.querySelector('main')?.innerText);
    await expect.poll(shown, patiently).toMatch(/Alice Example[^]*umbrella/);
    await page.evaluate(() => document.querySelector<HTMLElement>('main button')?.click());
    await expect
      .poll(
        async () => (await context.cookies()).some(({ name }) => name.endsWith('Http-coatcheck')),
        patiently,
      )
      .toBe(false);
  });
});

describe('the snippet of docs/client.md for inactivity', () => {
  it('warns, and extends the session by the button', async () => {
    const shop = await openShop({ config: { session: { idleTimeout: '60s' } } });
    const browser = await startChromiumBrowser(shop.hosts);
    const page = await (await browser.newContext()).openPage(`${APP}/`);
    await page.navigateBy(`${APP}/`, () => document.querySelector('a')?.click(), undefined);
    const create = `import { createClient } from '/coatcheck/index.js'; window.gateway = createClient();`;
    await runSnippet(page, `${create}\n${await snippetFor('docs/client.md', parts.idle)}`);
    const dialog = ['showDialog', expect.stringContaining('signed out in'), { button: 'Stay signed in' }];
    await expect.poll(() => callsOn(page), patiently).toEqual([dialog]);
    await clickShown(page);
    await expect.poll(() => shop.front.sent(), patiently).toContain('POST /auth/session/extend ');
    await browser.close();
    await shop.close();
  });
});

/** Bundles an app with its dependencies, and renders it. */
async function bundle(app: string): Promise<string> {
  const folder = await mkdtemp(join(root, 'node_modules/.coatcheck-client-snippets-'));
  await writeFile(join(folder, 'app.tsx'), app);
  const entry = join(folder, 'main.tsx');
  await writeFile(
    entry,
    `import { createRoot } from 'react-dom/client';
     import { App } from './app.tsx';
     const main = document.createElement('main');
     document.body.append(main);
     createRoot(main).render(<App />);`,
  );
  const client = join(root, 'packages/client/dist');
  const { output } = (await build({
    root: folder,
    configFile: false,
    logLevel: 'error',
    oxc: { jsx: { runtime: 'automatic' } },
    resolve: {
      alias: {
        'coatcheck-client/react': join(client, 'react.js'),
        'coatcheck-client': join(client, 'index.js'),
      },
    },
    build: { write: false, rolldownOptions: { input: entry } },
  })) as Rolldown.RolldownOutput;
  await rm(folder, { recursive: true });
  return output.map((chunk) => (chunk.type === 'chunk' ? chunk.code : '')).join('\n');
}
