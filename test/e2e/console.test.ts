import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { startChromium } from '../../testkit/browsers/chromium.ts';
import type { Program } from '../../testkit/processes/program.ts';
import type { UserAgent } from '../../testkit/user-agent/user-agent.ts';
import { type Fixture, openFixture } from './support/fixture.ts';

const TOKEN = 'canary-admin-token.of_the~admin-listener';
/** How long a figure may take to appear, in milliseconds: the page reloads its data every five seconds. */
const PATIENCE = { timeout: 60_000 };

let fixture: Fixture;
let program: Program;
let browser: Browser;
let page: Page;
const complaints: string[] = [];

beforeAll(async () => {
  fixture = await openFixture();
  [program, browser] = await Promise.all([
    fixture.start({ config: { admin: { listen: '127.0.0.1:0', token: TOKEN } } }),
    startChromium(),
  ]);
});

beforeEach(async () => {
  page = await open(program);
});

afterAll(async () => {
  await browser?.close();
  await fixture.close();
});

/** Opens the console of a program in a new browser context. */
async function open({ adminUrl }: Program): Promise<Page> {
  const context = await browser.newContext();
  onTestFinished(() => context.close());
  const opened = await context.newPage();
  opened.on('pageerror', ({ message }) => complaints.push(message));
  opened.on('console', (message) => complaints.push(message.text()));
  await opened.goto(adminUrl);
  return opened;
}

/** The red of the headline of an outage. */
const ALARM = 'rgb(185, 28, 28)';

const colourOf = (selector: string) =>
  page.locator(selector).evaluate((place) => getComputedStyle(place).backgroundColor);
const textOf = (selector: string) => page.locator(selector).innerText();
const statusOf = async (agent: UserAgent) => (await agent.fetch('/api/one')).status;
const idOf = async (agent: UserAgent) =>
  ((await agent.fetch('/auth/session')).json() as { sessionId: string }).sessionId;

async function list(subject: string, token = TOKEN): Promise<void> {
  await page.getByLabel('Admin token').fill(token);
  await page.getByLabel('Subject, e-mail or name').fill(subject);
  await page.getByRole('button', { name: 'Search' }).click();
}

describe('the admin console in a browser', () => {
  it('shows the readiness and the counters of the gateway and keeps them current', async () => {
    await expect.poll(() => textOf('#headline'), PATIENCE).toBe('Ready');
    expect(await textOf('#needs')).toMatch(/store check\s+reachable[^]*provider up\s+yes/);
    expect(await textOf('#refreshes')).toContain('none');
    const agent = await fixture.signedIn(program, 'carol');
    expect(await statusOf(agent)).toBe(200);
    await fixture.provider.stop();
    onTestFinished(() => fixture.provider.start());
    await agent.fetch('/auth/logout', { method: 'POST' });
    await expect.poll(() => textOf('#needs'), PATIENCE).toMatch(/provider up\s+no/);
    expect(await textOf('#headline')).toBe('Away: identity provider');
    expect(await colourOf('#headline')).toBe(ALARM);
    expect(await page.title()).toContain('Away: identity provider');
    await expect.poll(() => textOf('#sessions'), PATIENCE).toMatch(/started\s+1\s+ended: logout\s+1/);
    expect(await textOf('#requests')).toMatch(/200\s+\d/);
  });

  it('lists the sessions of a user and ends them one by one or together with the right admin token', async () => {
    const [one, two] = [await fixture.signedIn(program), await fixture.signedIn(program)];
    const [id, other] = [await idOf(one), await idOf(two)];
    await list('alice', 'another-token-than-the-configured-one');
    await expect.poll(() => textOf('#outcome'), PATIENCE).toBe('The admin token is wrong.');
    await list('alice');
    await expect.poll(() => textOf('#outcome'), PATIENCE).toBe('Found: 2 sessions of alice');
    expect(await page.locator('#found li').count()).toBe(2);

    await page.getByRole('button', { name: `End session ${id}` }).click();
    await expect.poll(() => textOf('#outcome'), PATIENCE).toBe(`Ended: ${id}`);
    expect(await textOf('#found')).toContain(other);
    expect(await textOf('#found')).not.toContain(id);
    expect([await statusOf(one), await statusOf(two)]).toEqual([401, 200]);

    await page.getByRole('button', { name: 'End all sessions of this subject' }).click();
    await expect.poll(() => textOf('#outcome'), PATIENCE).toBe('Ended: one session of alice');
    expect(await statusOf(two)).toBe(401);
  });

  it('shows the sessions of a user with very many a hundred at a time', async () => {
    for (let n = 0; n < 101; n += 1) await fixture.signedIn(program, 'dora');
    await list('dora');
    await expect
      .poll(() => textOf('#outcome'), PATIENCE)
      .toBe('Found: 100 sessions of dora, and there are more');
    await page.getByRole('button', { name: 'Show more sessions' }).click();
    await expect.poll(() => textOf('#outcome'), PATIENCE).toBe('Found: 101 sessions of dora');
    expect(await page.locator('#found li').count()).toBe(101);
    expect(await page.getByRole('button', { name: 'Show more sessions' }).isVisible()).toBe(false);
  });

  it('finds people by a part of their name or e-mail and lists the sessions of the only one', async () => {
    await fixture.signedIn(program, 'frida');
    await fixture.signedIn(program, 'freddy');
    await list('FRIDA@');
    await expect.poll(() => textOf('#outcome'), PATIENCE).toBe('Found: one session of frida');
    await list('fr');
    await expect.poll(() => textOf('#outcome'), PATIENCE).toBe('Found: 2 people with “fr”');
    await page.getByRole('button', { name: 'Show sessions of freddy' }).click();
    await expect.poll(() => textOf('#outcome'), PATIENCE).toBe('Found: one session of freddy');
    await list('no such person');
    await expect.poll(() => textOf('#outcome'), PATIENCE).toBe('Found: nobody with “no such person”');
  });

  it('shows version, uptime, and the rates and latencies of the last minutes', async () => {
    await expect.poll(() => textOf('#version'), PATIENCE).toMatch(/^Version \d+\.\d+\.\d+, Node\.js v\d+/);
    expect(await textOf('#uptime')).toMatch(/^Up for \d+ min/);
    await expect.poll(() => textOf('#traffic'), PATIENCE).toMatch(/all\s+\d+\.\d \/ s/);
    expect(await textOf('#latency')).toMatch(/99 % below/);
    await expect
      .poll(() => page.locator('#rate-chart').getAttribute('aria-label'), PATIENCE)
      .toContain('The last hour');
  });

  it('shows the newest errors and audit events to whoever has the admin token', async () => {
    await fixture.signedIn(program, 'gustav');
    await page.getByLabel('Admin token').fill(TOKEN);
    await page.getByRole('button', { name: 'Show recent errors and events' }).click();
    await expect.poll(() => textOf('#audit'), PATIENCE).toMatch(/sign_in/);
    expect(await textOf('#problems')).not.toBe('');
    expect(await textOf('#audit')).not.toContain(TOKEN);
  });

  it('ends a session by keyboard alone on a phone, with nothing off the screen', async () => {
    const agent = await fixture.signedIn(program, 'hanna');
    const id = await idOf(agent);
    await page.setViewportSize({ width: 360, height: 740 });
    await page.getByLabel('Admin token').focus();
    await page.keyboard.type(TOKEN);
    await page.keyboard.press('Tab');
    await page.keyboard.type('hanna');
    await page.keyboard.press('Enter');
    await expect.poll(() => textOf('#outcome'), PATIENCE).toBe('Found: one session of hanna');
    const widths = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    expect(widths[0]).toBeLessThanOrEqual(widths[1] ?? 0);
    const sizes = await page.locator('button:visible, input:visible').evaluateAll((controls) =>
      controls.map((control) => {
        const { left, right, width, height } = control.getBoundingClientRect();
        return { isInside: left >= 0 && right <= innerWidth, isLarge: width >= 44 && height >= 44 };
      }),
    );
    expect(sizes.length).toBeGreaterThan(4);
    expect(sizes.every(({ isInside, isLarge }) => isInside && isLarge)).toBe(true);
    // The outcome has the focus; the first button after it ends the session.
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.ariaLabel)).toBe(`End session ${id}`);
    await page.keyboard.press('Enter');
    await expect.poll(() => textOf('#outcome'), PATIENCE).toBe(`Ended: ${id}`);
    expect(await statusOf(agent)).toBe(401);
  });

  it('shows a subject that contains HTML as plain text', async () => {
    const name = '<img src=x onerror=alert(1)>';
    await fixture.signedIn(program, name);
    await list(name);
    await expect.poll(() => textOf('#found-title'), PATIENCE).toBe(`Sessions of ${name}`);
  });

  it('ends every session only after confirmation', async () => {
    const agent = await fixture.signedIn(program);
    await page.getByRole('button', { name: 'End every session' }).click();
    expect(await page.locator('dialog').isVisible()).toBe(false);
    await page.getByLabel('Admin token').fill(TOKEN);
    for (const button of ['Cancel', 'End every session']) {
      expect(await statusOf(agent)).toBe(200);
      await page.getByRole('button', { name: 'End every session' }).click();
      await page.locator('dialog').getByRole('button', { name: button }).click();
    }
    await expect.poll(() => textOf('#outcome'), PATIENCE).toBe('All sessions ended.');
    expect(await statusOf(agent)).toBe(401);
  });

  it('keeps the admin token only in the open page (standards: E23)', async () => {
    await list('alice');
    await expect.poll(() => textOf('#outcome'), PATIENCE).toContain('Found');
    const kept = await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]);
    expect(kept).toEqual([0, 0, '']);
    expect(page.url()).toBe(`${program.adminUrl}/`);
    expect((await page.context().storageState()).cookies).toEqual([]);
    await page.reload();
    expect(await page.getByLabel('Admin token').inputValue()).toBe('');
    expect(program.stdout()).not.toContain(TOKEN);
  });

  it('offers no session administration when no admin token is configured', async () => {
    const other = await fixture.start();
    const opened = await open(other);
    await expect.poll(() => opened.locator('#headline').innerText(), PATIENCE).toBe('Ready');
    expect(await opened.getByRole('heading', { name: 'Session administration' }).isVisible()).toBe(false);
  });

  it('violates no rule of its own Content-Security-Policy in any of these tests', () => {
    // A browser logs every 4xx and 5xx response.
    expect(complaints.filter((text) => !text.startsWith('Failed to load resource'))).toEqual([]);
  });
});
