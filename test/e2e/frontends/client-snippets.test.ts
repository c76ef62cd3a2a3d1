import { beforeEach, describe, expect, it } from 'vitest';
import type { BrowserPage } from '../../../testkit/browsers/browser.ts';
import { startChromiumBrowser } from '../../../testkit/browsers/chromium.ts';
import { status } from '../../../testkit/upstream/behaviours.ts';
import { bundleSnippet } from '../support/bundle.ts';
import { APP, openShop } from '../support/shop.ts';
import { openShopInBrowser } from '../support/shop-in-browser.ts';
import {
  callsOn,
  clickShown,
  documentsWithCode,
  runSnippet,
  snippetFor,
  type SnippetName,
  snippetsOf,
} from '../support/snippets.ts';

const patiently = { timeout: 60_000 };

/** The page and a part of each snippet that a test of this file runs. */
const snippets = {
  create: ['docs/sign-in.md', 'export const gateway'],
  read: ['docs/sign-in.md', 'else showSignInButton()'],
  login: ['docs/sign-in.md', "loginHint: 'ada@example.com'"],
  logout: ['docs/sign-in.md', 'gateway.logout();'],
  failure: ['docs/sign-in.md', "get('auth_error')"],
  ended: ['docs/sign-in.md', 'gateway.onSessionEnded('],
  idle: ['docs/sign-in.md', 'gateway.onIdleWarning('],
  react: ['docs/sign-in.md', '<SessionProvider'],
  options: ['docs/sign-in.md', "createClient({ prefix: '/bff' })"],
  call: ['docs/calling-apis.md', 'if (response.ok)'],
  plainCall: ['docs/calling-apis.md', 'const { code }'],
  stepUp: ['docs/calling-apis.md', 'gateway.onStepUpRequired('],
  upload: ['docs/calling-apis.md', 'new XMLHttpRequest()'],
  socket: ['docs/calling-apis.md', 'new WebSocket('],
  events: ['docs/calling-apis.md', 'new EventSource('],
  decoupled: ['docs/endpoints.md', 'waitForApproval()'],
  startReact: ['docs/get-started.md', '<SessionProvider'],
  startPlain: ['docs/get-started.md', "fetch('/auth/session')"],
  startForm: ['docs/get-started.md', 'action="/auth/logout"'],
  fromSdk: ['docs/migrate/from-browser-sdks.md', "gateway.fetch('/api/orders')"],
  fromDuende: ['docs/migrate/from-duende-bff.md', '/bff/user'],
  packageClient: ['packages/client/README.md', 'console.log(reason)'],
  packageReact: ['packages/client/README.md', 'export function Account()'],
} as const satisfies Record<string, SnippetName>;

/** The snippets that no test of this file runs, with the reason. */
const othersRun = 'snippets.test.ts runs it';
const recipesRun = 'recipes.test.ts runs it with the package';
const runElsewhere: readonly [...SnippetName, reason: string][] = [
  ['README.md', '// no Authorization header', othersRun],
  ['README.md', 'greet(session.claims.name);\n', othersRun],
  ['README.md', 'action="/auth/logout"', othersRun],
  ['docs/step-up.md', "get('X-Login-Url')", othersRun],
  ['docs/frontends.md', "addEventListener('fetch'", othersRun],
  ['docs/frontends.md', "from 'axios'", recipesRun],
  ['docs/frontends.md', "from 'vue'", recipesRun],
  [
    'docs/frontends.md',
    "from 'rxjs'",
    'Angular is not a dependency; snippets.test.ts compiles it against stubs',
  ],
  ['docs/frontends.md', "from '@tanstack/react-query'", 'examples.test.ts runs an app with the same client'],
  [
    'docs/frontends.md',
    "'use client'",
    'Next.js is not a dependency; client-package.test.ts renders it on a server',
  ],
  ['docs/library.md', 'server.listen(3000)', 'package.test.ts runs it'],
  [
    'docs/library.md',
    'export async function loadReports',
    'needs an API at https://reports.internal; the integration tests of the library call accessToken',
  ],
  [
    'docs/library.md',
    'export function createLoggedGateway',
    'the integration tests of the library pass a logger and a registry',
  ],
];

describe('the snippets of the documentation, run in a page', () => {
  const opened = openShopInBrowser({
    config: { login: { parameters: { prompt: ['create'], ui_locales: 'any' } } },
  });
  let page: BrowserPage;

  beforeEach(async () => {
    opened.shop.provider.user = 'alice';
    page = await opened.context.openPage(`${APP}/`);
  });

  const run = async (name: SnippetName) => runSnippet(page, await snippetFor(...name));
  /** Runs a snippet that leaves the page, and waits until the browser is back at the app. */
  const leaveBy = async (name: SnippetName) => {
    const append = (text: string) =>
      void setTimeout(() => document.head.append(Object.assign(document.createElement('script'), { text })));
    await page.navigateBy(`${APP}/`, append, await snippetFor(...name));
  };
  const lastSignIn = () =>
    opened.shop.provider.requests.findLast(({ endpoint }) => endpoint === 'authorize')?.query;

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
    const { issuer: iss, families } = opened.shop.provider;
    const query = new URLSearchParams({ iss, sid: families.at(-1)?.grant.sid ?? '' });
    await page.evaluate(async (url) => void (await fetch(url)), `/auth/frontchannel-logout?${query}`);
  }

  it('includes each snippet, or gives the reason why not', async () => {
    const known = [...Object.values(snippets), ...runElsewhere];
    const missing: string[] = [];
    for (const document of documentsWithCode)
      for (const { text } of await snippetsOf(document))
        if (!known.some(([on, part]) => on === document && text.includes(part)))
          missing.push(`${document}: ${text}`);
    expect(missing).toEqual([]);
  });

  it('creates a client and reads the session', async () => {
    await signIn();
    const greeting = '\nif (session.authenticated) greet(session.claims.email);';
    const code = (await snippetFor(...snippets.create)) + greeting;
    expect(await runSnippet(page, code)).toEqual([['greet', 'alice@example.test']]);
  });

  it('calls the API', async () => {
    await signIn();
    opened.shop.upstream.respond(status(200, { 'content-type': 'application/json' }, '["umbrella"]'));
    expect(await run(snippets.call)).toEqual([['log', ['umbrella']]]);
    await run(snippets.fromSdk);
    expect(opened.shop.bearers()).toEqual(['/api/items', '/api/orders']);
  });

  it('offers the sign-in of a plain call that the gateway rejects', async () => {
    expect(await run(snippets.plainCall)).toEqual([['showSignInLink', '/auth/login']]);
    await signIn();
    expect(await run(snippets.plainCall)).toEqual([]);
    opened.shop.upstream.respond(status(401, { 'content-type': 'application/json' }, '{"code":"no_access"}'));
    expect(await run(snippets.plainCall)).toEqual([]);
  });

  it('gets an app without a package started, from sign-in to sign-out', async () => {
    expect(await run(snippets.startPlain)).toEqual([['showSignInLink', '/auth/login?returnTo=%2F']]);
    await signIn();
    expect(await run(snippets.startPlain)).toEqual([['greet', 'Alice Example']]);
    expect(opened.shop.bearers()).toEqual(['/api/items']);
    const name = `${await snippetFor(...snippets.fromDuende)}\ngreet(name);`;
    expect(await runSnippet(page, name)).toEqual([['greet', 'Alice Example']]);
    const form = await snippetFor(...snippets.startForm);
    await page.evaluate((html) => document.body.insertAdjacentHTML('beforeend', html), form);
    await page.navigateBy(`${APP}/`, () => document.querySelector('button')?.click(), undefined);
    expect(await run(snippets.startPlain)).toMatchObject([['showSignInLink', expect.any(String)]]);
  });

  it('follows the README of the package', async () => {
    await signIn();
    expect(await run(snippets.packageClient)).toEqual([['log', 'Hello Alice Example']]);
    await endSession();
    await page.evaluate(() => void dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })));
    await expect.poll(() => callsOn(page), patiently).toContainEqual(['log', 'session_expired']);
  });

  it('waits until the user of another device has decided', async () => {
    await useClient();
    const responses = [
      { status: 202, body: { status: 'pending', interval: 0 } },
      { status: 403, body: { code: 'not_allowed' } },
    ];
    // The shop's provider has no decoupled sign-in: the page gets the gateway's documented responses.
    await page.evaluate((given) => {
      Object.assign((window as unknown as { gateway: object }).gateway, {
        fetch: async () => {
          const next = given.shift();
          return new Response(JSON.stringify(next?.body), { status: next?.status ?? 500 });
        },
      });
    }, responses);
    const code = `${await snippetFor(...snippets.decoupled)}\ngreet(await waitForApproval());`;
    expect(await runSnippet(page, code)).toEqual([['greet', false]]);
  });

  it('reads who is signed in', async () => {
    await useClient();
    expect(await run(snippets.read)).toEqual([['showSignInButton']]);
    await signIn();
    expect(await run(snippets.read)).toEqual([['greet', 'Alice Example']]);
  });

  it('signs in, the last of its three ways with parameters', async () => {
    await useClient();
    await leaveBy(snippets.login);
    expect(lastSignIn()).toMatchObject({ prompt: 'create', ui_locales: 'de' });
  });

  it('signs out', async () => {
    await signIn();
    await leaveBy(snippets.logout);
    await useClient();
    expect(await run(snippets.read)).toEqual([['showSignInButton']]);
  });

  it('reads why a sign-in has failed', async () => {
    expect(await run(snippets.failure)).toEqual([]);
    await page.goto(`${APP}/?auth_error=access_denied`);
    expect(await run(snippets.failure)).toEqual([['showNotice', 'You cancelled the sign-in.']]);
  });

  it('shows the progress of an upload, and hears of an end from its response', async () => {
    await signIn();
    await page.evaluate(() => void Object.assign(window, { file: new Blob(['x'.repeat(10_000)]) }));
    await run(snippets.upload);
    await expect.poll(() => callsOn(page), patiently).toContainEqual(['showProgress', 1]);
    expect(opened.shop.bearers()).toEqual(['/api/files']);

    await run(snippets.ended);
    await endSession();
    await run(snippets.upload);
    await expect
      .poll(() => callsOn(page), patiently)
      .toContainEqual(['showNotice', 'Your session has ended.', { button: 'Sign in' }]);
  });

  it.each(['socket', 'events'] as const)('hears of an end from the %s, which fails', async (name) => {
    await signIn();
    await run(snippets.ended);
    await endSession();
    await run(snippets[name]);
    await expect
      .poll(() => callsOn(page), patiently)
      .toContainEqual(['showNotice', 'Your session has ended.', { button: 'Sign in' }]);
  });

  it('hides personal data when the session has ended, and signs in by the button', async () => {
    await signIn();
    await run(snippets.ended);
    await endSession();
    await page.evaluate(async () => {
      await (window as unknown as { gateway: { fetch: typeof fetch } }).gateway.fetch('/api/items');
    });
    await expect
      .poll(() => callsOn(page), patiently)
      .toEqual([['hidePersonalData'], ['showNotice', 'Your session has ended.', { button: 'Sign in' }]]);
    opened.shop.provider.requests.length = 0;
    await clickShown(page);
    await expect.poll(lastSignIn, patiently).toBeDefined();
  });

  it('shows what a call needs, and asks the provider for it by the button', async () => {
    await signIn();
    const challenge = 'Bearer error="insufficient_user_authentication", acr_values="gold"';
    opened.shop.upstream.respond(status(401, { 'www-authenticate': challenge }));
    await run(snippets.stepUp);
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
    expect(await run(snippets.options)).toEqual([]);
  });

  it.each([
    ['startReact', 'Root', ''],
    ['packageReact', 'Root', '<Account />'],
  ] as const)('shows the user and the sign-in in React: %s', async (name, component, child) => {
    const shown = () => page.evaluate(() => document.querySelector('main')?.innerText);
    const [on, part] = snippets[name];
    const app = await bundle(await snippetFor(on, part), component, child);
    await runSnippet(page, app);
    await expect.poll(shown, patiently).toBe('Sign in');
    await signIn();
    await runSnippet(page, app);
    await expect.poll(shown, patiently).toBe('Sign out Alice Example');
  });

  it('shows the user, calls the API and signs out in React', async () => {
    await signIn();
    opened.shop.upstream.respond(status(200, { 'content-type': 'application/json' }, '["umbrella"]'));
    await runSnippet(page, await bundle(await snippetFor(...snippets.react), 'App'));
    const shown = () => page.evaluate(() => document.querySelector('main')?.innerText);
    await expect.poll(shown, patiently).toMatch(/Alice Example[^]*umbrella/);
    await page.evaluate(() => document.querySelector<HTMLElement>('main button')?.click());
    await expect
      .poll(
        async () => (await opened.context.cookies()).some(({ name }) => name.endsWith('Http-coatcheck')),
        patiently,
      )
      .toBe(false);
  });
});

describe('the snippet for inactivity', () => {
  it('warns, and extends the session by the button', async () => {
    const shop = await openShop({ config: { session: { idleTimeout: '60s' } } });
    const browser = await startChromiumBrowser(shop.hosts);
    const page = await (await browser.newContext()).openPage(`${APP}/`);
    await page.navigateBy(`${APP}/`, () => document.querySelector('a')?.click(), undefined);
    const create = `import { createClient } from '/coatcheck/index.js'; window.gateway = createClient();`;
    await runSnippet(page, `${create}\n${await snippetFor(...snippets.idle)}`);
    const dialog = ['showDialog', expect.stringContaining('signed out in'), { button: 'Stay signed in' }];
    await expect.poll(() => callsOn(page), patiently).toEqual([dialog]);
    await clickShown(page);
    await expect.poll(() => shop.front.sent(), patiently).toContain('POST /auth/session/extend ');
    await browser.close();
    await shop.close();
  });
});

/** Bundles a component with its dependencies, and renders it with its child. */
function bundle(app: string, component: string, child = ''): Promise<string> {
  const entry = `import { createRoot } from 'react-dom/client';
    import * as app from './snippet.tsx';
    const { ${component}, Account } = app as Record<string, any>;
    const main = document.createElement('main');
    document.body.append(main);
    createRoot(main).render(<${component}>${child}</${component}>);`;
  return bundleSnippet(app, entry);
}
