import { fileURLToPath } from 'node:url';
import { startChromium } from '../testkit/browsers/chromium.ts';
import { startDemo } from './demo.ts';

/**
 * `npm run pictures`: takes the pictures of the demo for the README, light and dark, after the gateway has replaced tokens while the
 * app runs. Needs Chromium, and takes a minute.
 */
const root = fileURLToPath(new URL('..', import.meta.url));
const demo = await startDemo({ root, port: 0, provider: 'oidc', onLog: () => {} });
const browser = await startChromium();
try {
  const page = await browser.newPage({ viewport: { width: 1080, height: 720 } });
  await page.goto(demo.url);
  await page.click('#sign-in');
  await page.click('button[value="ada"]');
  await page.locator('#response-line', { hasText: '200 GET /api/me' }).waitFor();
  await page.click('#stream');
  // The second token comes by expiry, the third by the rejection of the second.
  await page.locator('#tokens', { hasText: '2' }).waitFor({ timeout: 60_000 });
  await page.click('#reject');
  await page.locator('#tokens', { hasText: '3' }).waitFor();
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(() => window.scrollTo(0, 0));
    await page.screenshot({ path: `${root}docs/pictures/demo-${colorScheme}.png` });
    console.log(`wrote docs/pictures/demo-${colorScheme}.png`);
  }
} finally {
  await browser.close();
  await demo.stop();
}
