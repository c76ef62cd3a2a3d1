import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import type { BrowserPage, TestBrowser } from './browser.ts';

/**
 * Starts a headless Chromium: the one in the environment variable CHROMIUM, or that of the system. Each host maps to a port of
 * 127.0.0.1.
 */
export async function startChromium(hosts: Readonly<Record<string, number>> = {}): Promise<Browser> {
  const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
  if (!existsSync(executablePath)) {
    throw new Error(
      `There is no browser at ${executablePath}: install the package chromium, or set CHROMIUM.`,
    );
  }
  const rules = Object.entries(hosts).map(([host, port]) => `MAP ${host} 127.0.0.1:${port}`);
  return chromium.launch({
    executablePath,
    // Without these flags the browser connects to hosts of its vendor, which a test machine may not reach.
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      // A context that ignores certificate errors does not do so for the scripts of service workers.
      '--ignore-certificate-errors',
      `--host-resolver-rules=${rules.join(',')}`,
    ],
  });
}

/** Starts Chromium with the common interface. */
export async function startChromiumBrowser(hosts: Readonly<Record<string, number>>): Promise<TestBrowser> {
  const browser = await startChromium(hosts);
  return {
    newContext: async () => {
      const context = await browser.newContext({ ignoreHTTPSErrors: true });
      return {
        openPage: async (url) => {
          const page = createPage(await context.newPage());
          await page.goto(url);
          return page;
        },
        cookies: async () =>
          (await context.cookies()).map(({ sameSite, expires, ...cookie }) => ({
            ...cookie,
            sameSite: sameSite.toLowerCase() as Lowercase<typeof sameSite>,
            endsWithBrowser: expires === -1,
          })),
        close: () => context.close(),
      };
    },
    close: () => browser.close(),
  };
}

function createPage(page: Page): BrowserPage {
  return {
    goto: async (url) => void (await page.goto(url)),
    reload: async () => void (await page.reload()),
    evaluate: async <Result>(run: (arg: never) => Result, arg?: unknown) =>
      (await page.evaluate(run as (arg: unknown) => Result, arg)) as Awaited<Result>,
    navigateBy: async (url, run, arg) => {
      const loaded = page.waitForEvent('load', { predicate: () => page.url() === url });
      await page.evaluate(run as (arg: unknown) => void, arg);
      await loaded;
    },
    close: () => page.close(),
  };
}
