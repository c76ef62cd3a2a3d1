import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it } from 'vitest';
import type { BrowserPage } from '../../../testkit/browsers/browser.ts';
import { startChromiumBrowser } from '../../../testkit/browsers/chromium.ts';
import { startChildProcess } from '../../../testkit/processes/child-process.ts';
import { readPage } from '../../../testkit/project/markdown.ts';
import { status } from '../../../testkit/upstream/behaviours.ts';
import { APP, openShop } from '../support/shop.ts';
import { openShopInBrowser } from '../support/shop-in-browser.ts';
import { runSnippet } from '../support/snippets.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const pages = [
  'README.md',
  'docs/calling-apis.md',
  'docs/endpoints.md',
  'docs/frontends.md',
  'docs/get-started.md',
  'docs/library.md',
  'docs/migrate/from-browser-sdks.md',
  'docs/migrate/from-duende-bff.md',
  'docs/sign-in.md',
  'docs/step-up.md',
  'packages/client/README.md',
];
const languages = ['js', 'ts', 'tsx'];

/** How the snippet of a service worker starts: it has other globals than a page, and one test runs it. */
const WORKER = "self.addEventListener('fetch'";

/** What the snippets leave to the reader. */
const READERS_OWN = `
type Notice = { button: string; onClick: () => unknown };
declare global {
  const gateway: import('coatcheck-client').Client<{ name: string; email: string }>;
  function greet(name: string): void;
  function showSignInButton(): void;
  function showSignInLink(url: string): void;
  function showNotice(text: string, notice?: Notice): void;
  function showDialog(text: string, notice: Notice): void;
  function hidePersonalData(): void;
  function showProgress(share: number): void;
  function showConfirmation(stepUp: unknown, onConfirm: () => void): void;
  const file: File;
  const body: BodyInit;
  const myFetch: typeof fetch;
}
export {};
`;

/** What Angular, which is not installed here, offers to the snippets. */
const ANGULAR = `
declare module 'rxjs' {
  export interface Observable { pipe(operator: unknown): Observable }
  export function catchError(next: (failure: unknown) => Observable): unknown;
  export function throwError(make: () => unknown): Observable;
}
declare module '@angular/common/http' {
  import type { Observable } from 'rxjs';
  interface HttpRequest { clone(changes: { setHeaders: Record<string, string> }): HttpRequest }
  export type HttpInterceptorFn = (request: HttpRequest, next: (request: HttpRequest) => Observable) => Observable;
  export class HttpErrorResponse {
    status: number;
    headers: { get(name: string): string | null };
    error: unknown;
  }
}
`;

/** The code on a page, in the languages of an app. */
async function snippetsOf(page: string): Promise<{ language: string; text: string }[]> {
  const { blocks } = readPage(await readFile(join(root, page), 'utf8'));
  return blocks.filter(({ language }) => languages.includes(language));
}

/** The one snippet of the README that contains a text. */
async function snippetOfReadme(part: string): Promise<string> {
  const found = (await snippetsOf('README.md')).filter(({ text }) => text.includes(part));
  expect(found).toHaveLength(1);
  return stripTypeScriptTypes(found[0]?.text ?? '');
}

it('compiles every snippet of the documentation for apps strictly', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'coatcheck-snippets-'));
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  await writeFile(join(folder, 'readers-own.ts'), READERS_OWN);
  await writeFile(join(folder, 'angular.d.ts'), ANGULAR);
  let count = 0;
  for (const [index, page] of pages.entries()) {
    await mkdir(join(folder, String(index)));
    for (const { language, text } of await snippetsOf(page)) {
      if (text.startsWith(WORKER)) continue;
      count += 1;
      // What is JavaScript is compiled as TypeScript: no fewer rules hold for it.
      const extension = language === 'tsx' ? 'tsx' : 'ts';
      await writeFile(join(folder, `${index}/${count}.${extension}`), `${text}\nexport {};\n`);
    }
  }
  expect(count).toBeGreaterThan(10);
  const compilerOptions = {
    target: 'es2024',
    module: 'esnext',
    moduleResolution: 'bundler',
    lib: ['es2024', 'dom', 'dom.iterable'],
    jsx: 'react-jsx',
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: true,
    noEmit: true,
    paths: {
      coatcheck: [join(root, 'dist/index.d.ts')],
      'coatcheck/client': [join(root, 'dist/client/index.d.ts')],
      'coatcheck-client': [join(root, 'packages/client/dist/index.d.ts')],
      'coatcheck-client/react': [join(root, 'packages/client/dist/react.d.ts')],
    },
  };
  const include = ['*.ts', '*/*'];
  const exclude = ['node_modules'];
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include, exclude }));
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const child = startChildProcess(process.execPath, [compiler, '-p', folder], { cwd: folder });
  await child.exit;
  expect(child.stdout() + child.stderr()).toBe('');
  await rm(folder, { recursive: true });
});

describe('the snippets of the README in a page', () => {
  const opened = openShopInBrowser();
  let page: BrowserPage;

  beforeEach(async () => {
    page = await opened.context.openPage(`${APP}/reports?year=2026`);
  });

  const signIn = () => page.navigateBy(`${APP}/`, () => document.querySelector('a')?.click(), undefined);

  const run = (code: string) => runSnippet(page, code);
  const plainFetch = () => snippetOfReadme("fetch('/api/items'); // no Authorization");

  it('offers the sign-in, with a way back, when the gateway says that there is no session', async () => {
    expect(await run(await plainFetch())).toEqual([
      ['showSignInLink', '/auth/login?returnTo=%2Freports%3Fyear%3D2026'],
    ]);
  });

  it.each([
    ['JSON', { 'content-type': 'application/json' }, '{"error":"no_access"}'],
    ['a problem', { 'content-type': 'application/problem+json' }, '{"status":401,"code":"no_access"}'],
    ['no body', {}, ''],
  ])('starts no sign-in when the API itself responds with 401 and %s', async (_what, headers, body) => {
    await signIn();
    opened.shop.upstream.respond(status(401, headers, body));
    expect(await run(await plainFetch())).toEqual([]);
    expect(opened.shop.upstream.requests.map(({ target }) => target)).toContain('/api/items');
  });

  it('reads who is signed in', async () => {
    const read = await snippetOfReadme("await fetch('/auth/session')");
    expect(await run(read)).toEqual([]);
    await signIn();
    expect(await run(read)).toEqual([['greet', 'Alice Example']]);
  });

  it('uses the browser helper, and offers the sign-in after the session has ended', async () => {
    const snippet = (await snippetOfReadme("from 'coatcheck-client'")).replace(
      'coatcheck-client',
      '/coatcheck/index.js',
    );
    expect(await run(snippet)).toEqual([
      ['showNotice', 'Welcome.', { button: 'Sign in' }],
      ['showNotice', 'Your session has ended.', { button: 'Sign in' }],
    ]);
    await signIn();
    expect(await run(snippet)).toEqual([['greet', 'Alice Example']]);
  });

  it('signs out by the form', async () => {
    await signIn();
    const { blocks } = readPage(await readFile(join(root, 'README.md'), 'utf8'));
    const form = blocks.find(({ language }) => language === 'html')?.text ?? '';
    await page.evaluate((html) => document.body.insertAdjacentHTML('beforeend', html), form);
    await page.navigateBy(`${APP}/`, () => document.querySelector('button')?.click(), undefined);
    expect(await run(await plainFetch())).toMatchObject([['showSignInLink', expect.any(String)]]);
  });
});

describe('the snippet for a step-up by plain fetch', () => {
  it('shows what the API requires, and its sign-in comes back to the page', async () => {
    const snippet = (await snippetsOf('docs/step-up.md'))[0]?.text ?? '';
    const shop = await openShop();
    const browser = await startChromiumBrowser(shop.hosts);
    const page = await (await browser.newContext()).openPage(`${APP}/pay?to=ada`);
    await page.navigateBy(
      `${APP}/pay?to=ada`,
      () => location.assign('/auth/login?returnTo=/pay%3Fto=ada'),
      undefined,
    );
    const challenge = 'Bearer error="insufficient_user_authentication", max_age="60"';
    shop.upstream.respond(status(401, { 'www-authenticate': challenge }));
    const shown = await page.evaluate(async (source) => {
      const confirmation = new Promise((resolve) =>
        Object.assign(window, {
          body: '{}',
          showConfirmation: (stepUp: unknown, confirm: () => void) =>
            resolve(Object.assign(window, { confirm }) && stepUp),
        }),
      );
      const script = document.createElement('script');
      script.type = 'module';
      script.textContent = source;
      document.head.append(script);
      return confirmation;
    }, snippet);
    expect(shown).toEqual({ maxAge: 60 });
    await page.navigateBy(
      `${APP}/pay?to=ada`,
      () => (window as unknown as { confirm(): void }).confirm(),
      undefined,
    );
    const asked = shop.provider.requests.findLast(({ endpoint }) => endpoint === 'authorize');
    expect(asked?.query).toMatchObject({ max_age: '60' });
    await browser.close();
    await shop.close();
  });
});

describe('the service worker of the documentation', () => {
  it('serves the page for navigations, and lets the sign-in and the API through', async () => {
    const worker = (await snippetsOf('docs/frontends.md')).find(({ text }) => text.startsWith(WORKER));
    const install = `self.addEventListener('install', (event) => {
      self.skipWaiting();
      const page = new Response('<!doctype html><title>from the worker</title>', { headers: { 'content-type': 'text/html' } });
      event.waitUntil(caches.open('pages').then((cache) => cache.put('/', page)));
    });
    self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));`;
    const shop = await openShop({ worker: `${worker?.text}\n${install}` });
    const browser = await startChromiumBrowser(shop.hosts);
    const page = await (await browser.newContext()).openPage(`${APP}/`);
    await page.evaluate(async () => {
      await navigator.serviceWorker.register('/worker.js');
      await navigator.serviceWorker.ready;
      if (navigator.serviceWorker.controller) return;
      await new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve));
    });
    await page.reload();
    expect(await page.evaluate(() => document.title)).toBe('from the worker');

    await page.navigateBy(`${APP}/`, () => location.assign('/auth/login'), undefined);
    expect(await page.evaluate(() => document.title)).toBe('from the worker');
    expect(await page.evaluate(async () => (await fetch('/api/items')).status)).toBe(200);
    await browser.close();
    await shop.close();
  });
});
