import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createClient, type Session } from '../../../src/client/index.ts';

const signedIn: Session = {
  authenticated: true,
  subject: 'ada',
  claims: {},
  sessionId: 's1',
  expiresIn: 3600,
  idleExpiresIn: 600,
  loginUrl: '/auth/login',
  logoutUrl: '/auth/logout',
};
const signedOut: Session = { authenticated: false, loginUrl: '/auth/login' };

/** The channels of the pages in this test; what one posts reaches the others at once. */
const channels = new Set<EventTarget>();

class FakeChannel extends EventTarget {
  constructor() {
    super();
    channels.add(this);
  }
  postMessage(data: unknown): void {
    for (const channel of channels) {
      if (channel !== this) channel.dispatchEvent(new MessageEvent('message', { data }));
    }
  }
}

/** Opens pages of one browser. Its session is `browser.session`; a page that calls after its end gets 401. */
function openBrowser() {
  const browser = { session: signedIn, isUp: true };
  const submitted: unknown[] = [];
  vi.stubGlobal('BroadcastChannel', FakeChannel);
  vi.stubGlobal('document', {
    createElement: () => ({
      submit(this: { method: string; action: string }) {
        submitted.push([this.method, this.action]);
      },
    }),
    body: { append: () => undefined },
  });

  const openPage = async () => {
    const events = new EventTarget();
    vi.stubGlobal('addEventListener', events.addEventListener.bind(events));
    const { origin, href, pathname, search, hash } = new URL('https://app.test/');
    const location = { origin, href, pathname, search, hash, assign: vi.fn() };
    const client = createClient({
      location,
      async fetch(input) {
        if (!browser.isUp) throw new TypeError('fetch failed');
        if (input === '/auth/session') return Response.json(browser.session);
        const headers = { 'Content-Type': 'application/problem+json' };
        return browser.session.authenticated
          ? new Response()
          : new Response('{"code":"session_required"}', { status: 401, headers });
      },
    });
    const ends: string[] = [];
    client.onSessionEnded((reason) => ends.push(reason));
    await client.session();
    return {
      client,
      ends,
      assigned: location.assign,
      hide: () => events.dispatchEvent(new Event('pagehide')),
      restore: () => events.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true })),
      logout: () => {
        vi.stubGlobal('addEventListener', events.addEventListener.bind(events));
        client.logout();
      },
    };
  };
  return { browser, submitted, openPage };
}

const settle = () => vi.advanceTimersByTimeAsync(0);

describe('logout', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
    channels.clear();
  });

  test('posts a form to the gateway', async () => {
    const { submitted, openPage } = openBrowser();
    const page = await openPage();
    page.logout();
    expect(submitted).toEqual([['post', '/auth/logout']]);
  });

  test('silences its page, which also starts no sign-in', async () => {
    const { browser, openPage } = openBrowser();
    const page = await openPage();
    page.logout();
    browser.session = signedOut;
    await page.client.fetch('/api/items');
    await page.client.session();
    page.client.login();
    expect(page.ends).toEqual([]);
    expect(page.assigned).not.toHaveBeenCalled();
  });

  test('reports the sign-out when the page is still there after ten seconds', async () => {
    const { browser, openPage } = openBrowser();
    const page = await openPage();
    page.logout();
    browser.session = signedOut;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(page.ends).toEqual(['signed_out']);
    page.client.login();
    expect(page.assigned).toHaveBeenCalledOnce();
  });

  test('reports nothing when the gateway could not end the session', async () => {
    const { openPage } = openBrowser();
    const [page, other] = [await openPage(), await openPage()];
    page.logout();
    page.hide();
    page.restore();
    await vi.advanceTimersByTimeAsync(20_000);
    expect([page.ends, other.ends]).toEqual([[], []]);
  });

  test('that is cancelled leaves no reason behind in other pages', async () => {
    const { browser, openPage } = openBrowser();
    const [page, other] = [await openPage(), await openPage()];
    page.logout();
    await vi.advanceTimersByTimeAsync(10_000);
    browser.session = signedOut;
    await other.client.session();
    expect(other.ends).toEqual(['session_expired']);
  });

  test('that is cancelled by the end of its page leaves no reason behind in other pages', async () => {
    const { browser, openPage } = openBrowser();
    const other = await openPage();
    // The page says that it leaves, and never anything more.
    new FakeChannel().postMessage({ reason: 'signed_out', isPending: true });
    await vi.advanceTimersByTimeAsync(10_000);
    browser.session = signedOut;
    await other.client.session();
    expect(other.ends).toEqual(['session_expired']);
  });

  test('tells other pages, as soon as the session has ended, why', async () => {
    const { browser, openPage } = openBrowser();
    const [page, other] = [await openPage(), await openPage()];
    page.logout();
    await settle();
    expect(other.ends).toEqual([]);
    browser.session = signedOut;
    await vi.advanceTimersByTimeAsync(500);
    expect(other.ends).toEqual(['signed_out']);
  });

  test('tells other pages why their calls fail before they learn it from the page that leaves', async () => {
    const { browser, openPage } = openBrowser();
    const [page, other] = [await openPage(), await openPage()];
    page.logout();
    browser.session = signedOut;
    await other.client.fetch('/api/items');
    expect(other.ends).toEqual(['signed_out']);
    page.hide();
    await settle();
    expect(other.ends).toEqual(['signed_out']);
  });

  test('lets another page start a sign-in for a click only', async () => {
    const { browser, openPage } = openBrowser();
    const [page, other] = [await openPage(), await openPage()];
    page.logout();
    browser.session = signedOut;
    page.hide();
    await settle();
    vi.stubGlobal('navigator', { userActivation: { isActive: false } });
    other.client.login();
    expect(other.assigned).not.toHaveBeenCalled();
    vi.stubGlobal('navigator', { userActivation: { isActive: true } });
    other.client.login();
    expect(other.assigned).toHaveBeenCalledOnce();
  });

  test('is reported by a page that the back-forward cache restores', async () => {
    const { browser, openPage } = openBrowser();
    const page = await openPage();
    page.logout();
    page.hide();
    browser.session = signedOut;
    page.restore();
    await settle();
    expect(page.ends).toEqual(['signed_out']);
  });
});

describe('a page', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    channels.clear();
  });

  test('that hears of an end asks the gateway, and keeps a session that goes on', async () => {
    const { openPage } = openBrowser();
    const page = await openPage();
    new FakeChannel().postMessage({ reason: 'signed_out' });
    await new Promise(setImmediate);
    expect(page.ends).toEqual([]);
  });

  test('that hears of an end during an outage keeps its session', async () => {
    const { browser, openPage } = openBrowser();
    const page = await openPage();
    browser.isUp = false;
    new FakeChannel().postMessage({ reason: 'session_expired' });
    await new Promise(setImmediate);
    expect(page.ends).toEqual([]);
  });

  test('that hears of another user asks the gateway, and reports it', async () => {
    const { browser, openPage } = openBrowser();
    const page = await openPage();
    browser.session = { ...signedIn, subject: 'grace' };
    await openPage();
    await expect.poll(() => page.ends).toEqual(['user_changed']);
  });
});
