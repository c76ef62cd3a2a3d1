import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startChromium } from '../../testkit/browsers/chromium.ts';
import { APP, EVIL, openShop, type Shop, SIBLING, TICKET } from './support/shop.ts';

let shop: Shop;
let browser: Browser;
let context: BrowserContext;
/** A page of the app, signed in. */
let app: Page;

beforeAll(async () => {
  shop = await openShop();
  browser = await startChromium(shop.hosts);
  context = await browser.newContext({ ignoreHTTPSErrors: true });
  app = await context.newPage();
  await app.goto(APP);
  await app.click('a');
  await app.waitForURL(`${APP}/`);
});

beforeEach(() => shop.reset());

afterAll(async () => {
  await browser?.close();
  await shop?.close();
});

/** Opens a page of another origin, in the browser that is signed in. */
async function openPage(origin: string, at = context): Promise<Page> {
  const page = await at.newPage();
  await page.goto(origin);
  return page;
}

/** The session as the app's own page receives it. */
const session = (page = app) =>
  page.evaluate(async () => (await fetch('/auth/session')).json() as Promise<Record<string, unknown>>);
const ticketOf = async (of = context) =>
  (await of.cookies(APP)).filter(({ name }) => name.toLowerCase().includes('coatcheck'));

describe.each([
  ['another site', EVIL],
  ['a sibling host, whose requests carry the cookie', SIBLING],
])('a page of %s', (_what, origin) => {
  it('cannot read any response of the gateway (standards: A12)', async () => {
    shop.upstream.respond((_request, response) => {
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
    expect(shop.upstream.upgrades).toEqual([]);
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

/** Opens a WebSocket and returns its echo, or `refused`. */
function openSocket(origin: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`${origin.replace('https', 'wss')}/socket/live`);
    socket.onopen = () => socket.send('hello');
    socket.onmessage = ({ data }) => resolve(String(data));
    socket.onerror = () => resolve('refused');
  });
}

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
      shop.upstream.respond((_request, response) => {
        response.writeHead(200, type === undefined ? {} : { 'content-type': type }).end(body);
      });
      const page = await openPage(APP);
      await page.evaluate(() => location.assign('/api/document'));
      await page.waitForURL(`${APP}/api/document`);
      expect(shop.bearers()).toEqual(['/api/document']);
      expect(await page.title()).not.toBe('owned');
      expect(await page.evaluate(() => 'owned' in self)).toBe(false);
      await page.close();
    },
  );

  it('cannot have its response loaded as a script or registered as a service worker (standards: F12)', async () => {
    shop.upstream.respond((_request, response) => {
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
    shop.upstream.respond((_request, response) => {
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
