import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startChromium } from '../../testkit/chromium.ts';
import { type FakeProvider, startFakeProvider } from '../../testkit/fake-provider.ts';
import { type RunningGateway, startGateway } from '../../testkit/gateway.ts';
import { type Upstream, startUpstream } from '../../testkit/upstream.ts';
import { echo } from '../../testkit/upstream/behaviours.ts';
import { type Site, type TlsFront, startSite, startTlsFront } from './support/sites.ts';

/** The app; the provider is on another site, http://127.0.0.1. */
const APP = 'https://app.shop.test';
const SIBLING = 'https://blog.shop.test';
const EVIL = 'https://evil.example';
const TICKET = '__Host-Http-coatcheck';
/** How many of the ways below lead a request to the gateway, whatever a browser thinks better of. */
const MOST = 17;
/** How long requests may take to come, in milliseconds. */
const patiently = { timeout: 20_000 };

let folder: string;
let provider: FakeProvider;
let upstream: Upstream;
let gateway: RunningGateway;
let front: TlsFront;
let elsewhere: Site;
let browser: Browser;
let context: BrowserContext;
/** A page of the app, signed in. */
let app: Page;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coatcheck-app-'));
  await writeFile(
    join(folder, 'index.html'),
    '<!doctype html><title>app</title><a href="/auth/login">in</a>',
  );
  [provider, upstream, elsewhere] = await Promise.all([startFakeProvider(), startUpstream(), startSite()]);
  gateway = await startGateway({
    provider,
    upstream,
    baseUrl: APP,
    config: { spa: { directory: folder } },
  });
  front = await startTlsFront(gateway.port);
  const { port } = elsewhere;
  browser = await startChromium({
    'app.shop.test': front.port,
    'blog.shop.test': port,
    'evil.example': port,
  });
  context = await browser.newContext({ ignoreHTTPSErrors: true });
  app = await context.newPage();
});

beforeEach(() => {
  upstream.respond(echo);
  upstream.requests.length = 0;
  upstream.upgrades.length = 0;
  elsewhere.send({});
});

afterAll(async () => {
  await browser?.close();
  await front?.close();
  await gateway?.close();
  await Promise.all([provider?.close(), upstream?.close(), elsewhere?.close()]);
  await rm(folder, { recursive: true, force: true });
});

/** Opens a page of another origin, in the browser that is signed in. */
async function openPage(origin: string, at = context): Promise<Page> {
  const page = await at.newPage();
  await page.goto(origin);
  return page;
}

/** What the app's own page is told of the session. */
const session = (page = app) =>
  page.evaluate(async () => (await fetch('/auth/session')).json() as Promise<Record<string, unknown>>);
const ticketOf = async (of = context) =>
  (await of.cookies(APP)).filter(({ name }) => name.toLowerCase().includes('coatcheck'));
const bearers = () =>
  upstream.requests.flatMap(({ bearer, target }) => (bearer === undefined ? [] : [target]));

describe('a sign-in at a provider on another site', () => {
  it('starts a session that the first request of the app and a reload have (standards: A6, E25)', async () => {
    await app.goto(APP);
    await app.click('a');
    await app.waitForURL(`${APP}/`);
    expect(await session()).toMatchObject({ authenticated: true, subject: 'alice' });
    await app.reload();
    expect(await session()).toMatchObject({ authenticated: true });
  });

  it('sets one cookie that only this host can set and no script can read (standards: A4–A8, E13)', async () => {
    expect(await ticketOf()).toMatchObject([
      {
        name: TICKET,
        domain: 'app.shop.test',
        path: '/',
        secure: true,
        httpOnly: true,
        sameSite: 'Strict',
        expires: -1,
      },
    ]);
    expect(await app.evaluate(() => document.cookie)).toBe('');
  });
});

/** Every way in which a page can make a browser send a request, each to a path of its own below `base`. */
function attack(base: string): string[] {
  const paths: string[] = [];
  const next = (name: string) => {
    paths.push(`${base}/${name}`);
    return `${base}/${name}`;
  };
  const ignore = () => undefined;
  const send = (name: string, init: RequestInit) =>
    void fetch(next(name), { credentials: 'include', ...init }).catch(ignore);
  send('get', { mode: 'no-cors' });
  send('cors', {});
  send('text', { mode: 'no-cors', method: 'POST', body: 'a=1' });
  send('form-data', { mode: 'no-cors', method: 'POST', body: new URLSearchParams({ a: '1' }) });
  send('empty', { mode: 'no-cors', method: 'POST' });
  send('header', { method: 'POST', headers: { 'x-csrf': '1' } });
  send('delete', { method: 'DELETE' });
  navigator.sendBeacon(next('beacon'), 'a=1');

  const add = (name: string, tag: string, attribute: string, others: Record<string, string> = {}) => {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(others)) element.setAttribute(key, value);
    element.setAttribute(attribute, next(name));
    document.body.append(element);
  };
  add('image', 'img', 'src');
  add('image-cors', 'img', 'src', { crossorigin: 'use-credentials' });
  add('script', 'script', 'src');
  add('module', 'script', 'src', { type: 'module', crossorigin: 'use-credentials' });
  add('style', 'link', 'href', { rel: 'stylesheet' });
  add('prefetch', 'link', 'href', { rel: 'prefetch' });
  add('preload', 'link', 'href', { rel: 'preload', as: 'fetch', crossorigin: 'use-credentials' });
  add('frame', 'iframe', 'src');
  add('object', 'object', 'data');
  add('video', 'video', 'src');

  for (const method of ['get', 'post']) {
    for (const enctype of ['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain']) {
      const name = `${method}-${enctype.replace('/', '-')}`;
      const frame = document.createElement('iframe');
      frame.name = name;
      const form = document.createElement('form');
      Object.assign(form, { action: next(name), method, enctype, target: name });
      document.body.append(frame, form);
      form.submit();
    }
  }
  window.open(next('window'));
  new EventSource(next('events'), { withCredentials: true });
  return paths;
}

describe.each([
  ['another site', EVIL],
  ['a sibling host, whose requests carry the cookie', SIBLING],
])('a page of %s', (_what, origin) => {
  /** How many of the requests have come to the gateway. */
  const arrived = (urls: readonly string[]) =>
    urls.filter((url) => front.sent().includes(` ${url.slice(APP.length)}`)).length;

  it('cannot make a call that carries the access token (standards: A6, A10, A13)', async () => {
    await app.evaluate(() => fetch('/api/own'));
    expect(bearers()).toEqual(['/api/own']);
    const page = await openPage(origin);
    const paths = await page.evaluate(attack, `${APP}/api/${new URL(origin).hostname}`);
    await expect.poll(() => arrived(paths), patiently).toBeGreaterThan(MOST);
    await page.evaluate((url) => location.assign(url), `${APP}/api/${new URL(origin).hostname}/navigation`);
    await page.waitForURL('**/navigation');
    await app.evaluate(() => fetch('/api/after'));
    expect(bearers()).toEqual(['/api/own', '/api/after']);
    expect(upstream.requests.map(({ target }) => target)).toEqual(['/api/own', '/api/after']);
    await page.close();
  });

  it('cannot sign the user out (standards: A10, D2)', async () => {
    const page = await openPage(origin);
    const paths = await page.evaluate(attack, `${APP}/auth/logout?${new URL(origin).hostname}`);
    await expect.poll(() => arrived(paths), patiently).toBeGreaterThan(MOST);
    expect(await session()).toMatchObject({ authenticated: true });
    await page.close();
  });

  it('cannot read any response of the gateway (standards: A12)', async () => {
    upstream.respond((_request, response) => {
      response.writeHead(200, {
        'access-control-allow-origin': origin,
        'access-control-allow-credentials': 'true',
        'cross-origin-resource-policy': 'cross-origin',
      });
      response.end('read');
    });
    const page = await openPage(origin);
    const readings = await page.evaluate(
      (app) =>
        Promise.all(
          ['/api/one', '/public/one', '/auth/session', '/auth/login', '/'].map((path) =>
            fetch(app + path, { credentials: 'include' }).then(
              (response) => response.text(),
              () => 'refused',
            ),
          ),
        ),
      APP,
    );
    expect(readings).toEqual(Array(5).fill('refused'));
    await page.close();
  });

  it('cannot open a WebSocket (standards: A10, F24)', async () => {
    const page = await openPage(origin);
    expect(await page.evaluate(openSocket, APP)).toBe('refused');
    expect(upstream.upgrades).toEqual([]);
    expect(await app.evaluate(openSocket, APP)).toBe('hello');
    await page.close();
  });

  it('cannot frame the app, the gateway or an API (standards: E22, F12)', async () => {
    const page = await openPage(origin);
    for (const path of ['/', '/auth/session', '/public/page']) {
      const complaint = page.waitForEvent('console', (message) => message.type() === 'error');
      await page.evaluate((url) => {
        const frame = document.createElement('iframe');
        frame.src = url;
        document.body.replaceChildren(frame);
      }, APP + path);
      expect((await complaint).text()).toMatch(/fram(?:e|ing).*frame-ancestors 'none'/i);
    }
    await page.close();
  });
});

/** Opens a WebSocket, and gives what it echoes, or `refused`. */
function openSocket(origin: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`${origin.replace('https', 'wss')}/socket/live`);
    socket.onopen = () => socket.send('hello');
    socket.onmessage = ({ data }) => resolve(String(data));
    socket.onerror = () => resolve('refused');
  });
}

describe('a sibling host', () => {
  /** The ticket of somebody else, in every place and spelling that could pass for ours. */
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
    elsewhere.send({ 'set-cookie': lines });
    const page = await openPage(SIBLING, at);
    await page.evaluate((cookies) => cookies.forEach((line) => (document.cookie = line)), lines);
    await page.close();
  }

  /** A ticket under a name with a byte before it that browsers keep and `trim()` strips, so that no prefix protects it. */
  const prefixed = (value: string) =>
    ['\u00a0', '\u00a0\u00a0'].map((byte) => `${byte}${TICKET}=${value}; Domain=shop.test; Path=/; Secure`);

  it('cannot replace the session cookie with its own cookie (standards: A8, E9)', async () => {
    const before = await ticketOf();
    await toss(context);
    expect((await ticketOf()).filter(({ name }) => name === TICKET)).toEqual(before);
    expect(await session()).toMatchObject({ authenticated: true });
    // Some of them did arrive: they have another name.
    expect(front.sent()).toContain('coatcheck=tossed');
    expect(front.sent()).not.toContain(`; ${TICKET}=tossed`);
  });

  it('cannot sign a browser in to its own session or out with a no-break space before the cookie name (GHSA-r5rp-j6wh-rvv4; standards: A8, E2, E9)', async () => {
    const signIn = async () => {
      const at = await browser.newContext({ ignoreHTTPSErrors: true });
      const page = await openPage(APP, at);
      await page.click('a');
      await page.waitForURL(`${APP}/`);
      return { at, page };
    };
    const [attacker, victim] = [await signIn(), await signIn()];
    const planted = (await ticketOf(attacker.at))[0]?.value ?? '';

    const before = await session(victim.page);
    await toss(victim.at, prefixed(planted));
    const call = await victim.page.evaluate(async () => (await fetch('/api/own')).status);
    expect(call).toBe(200);
    expect(await session(victim.page)).toMatchObject({ sessionId: before['sessionId'] });
    expect(front.sent()).toContain(`\u00a0${TICKET}=${planted}`);

    const fresh = await browser.newContext({ ignoreHTTPSErrors: true });
    await toss(fresh, prefixed(planted));
    expect(await session(await openPage(APP, fresh))).toMatchObject({ authenticated: false });
    await Promise.all([attacker.at, victim.at, fresh].map((at) => at.close()));
  });

  it('cannot plant a session in a browser before the sign-in (standards: E2)', async () => {
    const other = await browser.newContext({ ignoreHTTPSErrors: true });
    await toss(other);
    const page = await openPage(APP, other);
    expect(await session(page)).toEqual({ authenticated: false, loginUrl: '/auth/login' });
    await page.click('a');
    await page.waitForURL(`${APP}/`);
    expect(await session(page)).toMatchObject({ authenticated: true, subject: 'alice' });
    const tickets = (await ticketOf(other)).filter(({ name }) => name === TICKET);
    expect(tickets).toMatchObject([{ domain: 'app.shop.test', value: expect.stringMatching(/^Fe26\.2\*/) }]);
    await other.close();
  });
});

describe('an API behind the gateway', () => {
  const script = 'self.owned = true; document.title = "owned"';

  it.each([
    ['text/html', `<title>api</title><script>${script}</script>`],
    [
      'image/svg+xml',
      `<svg xmlns="http://www.w3.org/2000/svg"><title>api</title><script>${script}</script></svg>`,
    ],
    [
      'application/xhtml+xml',
      `<html xmlns="http://www.w3.org/1999/xhtml"><head><title>api</title></head><body><script>${script}</script></body></html>`,
    ],
    [undefined, `<!doctype html><title>api</title><script>${script}</script>`],
  ])(
    'cannot run a script in the origin of the app with a document of type %s (standards: F12)',
    async (type, body) => {
      upstream.respond((_request, response) => {
        response.writeHead(200, type === undefined ? {} : { 'content-type': type }).end(body);
      });
      const page = await openPage(APP);
      await page.evaluate(() => location.assign('/api/document'));
      await page.waitForURL(`${APP}/api/document`);
      expect(bearers()).toEqual(['/api/document']);
      expect(await page.title()).not.toBe('owned');
      expect(await page.evaluate(() => 'owned' in self)).toBe(false);
      await page.close();
    },
  );

  it('cannot have its response loaded as a script or registered as a service worker (standards: F12)', async () => {
    upstream.respond((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/plain', 'service-worker-allowed': '/' }).end(script);
    });
    const page = await openPage(APP);
    const outcome = await page.evaluate(async () => {
      const element = document.createElement('script');
      element.src = '/api/data';
      const loaded = new Promise((resolve) => {
        element.onload = () => resolve('loaded');
        element.onerror = () => resolve('refused');
      });
      document.head.append(element);
      const worker = await navigator.serviceWorker.register('/api/worker.js', { scope: '/' }).then(
        () => 'registered',
        () => 'refused',
      );
      return [await loaded, worker, 'owned' in self];
    });
    expect(outcome).toEqual(['refused', 'refused', false]);
    await page.close();
  });

  it('cannot change the storage and the cookies that the app keeps in the browser (standards: F10, F11)', async () => {
    upstream.respond((_request, response) => {
      response.writeHead(200, {
        'clear-site-data': '"*"',
        'set-cookie': [`${TICKET}=api; Path=/; Secure`, 'readable=api; Path=/', 'wide=api; Domain=shop.test'],
        refresh: `0;url=${EVIL}`,
      });
      response.end('ok');
    });
    const before = await ticketOf();
    const held = await app.evaluate(async () => {
      localStorage.setItem('kept', 'yes');
      await (await fetch('/api/one')).text();
      await (await fetch('/public/one')).text();
      return [localStorage.getItem('kept'), document.cookie];
    });
    expect(held[0]).toBe('yes');
    expect(held[1]).not.toContain('api');
    expect(await ticketOf()).toEqual(before);
    expect(await session()).toMatchObject({ authenticated: true });
  });
});

describe('a sign-out', () => {
  it('removes the cookie from the browser and the next page has no session (standards: D3)', async () => {
    await app.evaluate(() => fetch('/auth/logout', { method: 'POST' }));
    expect((await ticketOf()).filter(({ name }) => name === TICKET)).toEqual([]);
    await app.reload();
    expect(await session()).toMatchObject({ authenticated: false });
  });
});
