import { afterAll, beforeAll, beforeEach } from 'vitest';
import type { BrowserContext, TestBrowser } from '../../../testkit/browsers/browser.ts';
import { startChromiumBrowser } from '../../../testkit/browsers/chromium.ts';
import { openShop, type Shop, type ShopOptions } from './shop.ts';

/** A shop for the tests of a file or a group, and a browser with a new context for each test. */
export type ShopInBrowser = { shop: Shop; browser: TestBrowser; context: BrowserContext };

/** Registers the hooks that open and close them, where a file or a group begins. The result can be used in tests and hooks only. */
export function openShopInBrowser(options?: ShopOptions, start = startChromiumBrowser): ShopInBrowser {
  const opened: Partial<ShopInBrowser> = {};
  beforeAll(async () => {
    opened.shop = await openShop(options);
    opened.browser = await start(opened.shop.hosts);
  });
  afterAll(async () => {
    await opened.browser?.close();
    await opened.shop?.close();
  });
  beforeEach(async () => {
    opened.shop?.reset();
    await opened.context?.close();
    if (opened.browser !== undefined) opened.context = await opened.browser.newContext();
  });
  return opened as ShopInBrowser;
}
