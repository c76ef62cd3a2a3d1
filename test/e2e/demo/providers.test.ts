import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Demo, startDemo } from '../../../demo/demo.ts';
import type { LogLine } from '../../../demo/log-line.ts';
import type { ProviderName } from '../../../demo/provider/providers.ts';
import { startChromium } from '../../../testkit/browsers/chromium.ts';

let browser: Browser;
let demo: Demo;
let context: BrowserContext;
let page: Page;
const troubles: string[] = [];

beforeAll(async () => {
  browser = await startChromium();
});
afterAll(() => browser?.close());
afterEach(async () => {
  await context?.close();
  await demo?.stop();
});

async function open(provider: ProviderName) {
  troubles.length = 0;
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  const onLog = ({ level, message }: LogLine) => {
    if (level === 'error' || level === 'fatal') troubles.push(message);
  };
  demo = await startDemo({ root, port: 0, provider, onLog });
  context = await browser.newContext();
  page = await context.newPage();
  await page.goto(demo.url);
}

/** Calls, has the API reject the token, calls again with another one, and signs out. */
async function useAndLeave() {
  await page.waitForSelector('#signed-in:not([hidden])');
  await expect.poll(() => page.locator('#response-line').innerText()).toContain('200 GET /api/me');
  expect(await page.locator('#response').innerText()).toContain('"subject": "ada"');
  await page.click('#reject');
  await expect.poll(() => page.locator('#response-line').innerText()).toContain('refreshed early');
  await page.click('#sign-out');
  await page.waitForSelector('#welcome:not([hidden])');
  expect(troubles).toEqual([]);
}

describe('the demo', () => {
  it('signs in with user name and password with the vendor API provider', async () => {
    await open('vendor-api');
    await page.fill('#username', 'ada');
    await page.fill('#secret', 'wrong');
    await page.click('#password button');
    await expect.poll(() => page.locator('#sign-in-response').innerText()).toContain('does not accept');
    await page.fill('#secret', 'coat check');
    await page.click('#password button');
    await useAndLeave();
  });

  it('signs in at the bank by plain OAuth 2.0 with the bank provider', async () => {
    await open('bank');
    await page.click('#sign-in');
    await page.click('button[value="ada"]');
    await useAndLeave();
  });

  it('signs in after approval on the other device with the OpenID CIBA provider', async () => {
    await open('decoupled');
    await page.fill('#hint', 'ada');
    await page.click('#device button');
    const [device] = await Promise.all([context.waitForEvent('page'), page.click('#sign-in-response a')]);
    const message = await page.locator('#sign-in-response strong').innerText();
    expect(await device.locator('main').innerText()).toContain(message);
    await device.click('button[value="yes"]');
    await device.waitForSelector('h1:has-text("Nobody")');
    await useAndLeave();
  });
});
