import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { startChromium } from '../../testkit/browsers/chromium.ts';
import type { Program } from '../../testkit/processes/program.ts';
import type { UserAgent } from '../../testkit/user-agent/user-agent.ts';
import { type Fixture, openFixture } from './support/fixture.ts';

const TOKEN = 'canary-admin-token.of_the~admin-listener';
/** How long a figure may take to appear, in milliseconds: the page reloads its data every five seconds. */
const PATIENCE = { timeout: 20_000 };

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

const textOf = (selector: string) => page.locator(selector).innerText();
const statusOf = async (agent: UserAgent) => (await agent.fetch('/api/one')).status;
const idOf = async (agent: UserAgent) =>
  ((await agent.fetch('/auth/session')).json() as { sessionId: string }).sessionId;

async function list(subject: string, token = TOKEN): Promise<void> {
  await page.getByLabel('Admin token').fill(token);
  await page.getByLabel('Subject').fill(subject);
  await page.getByRole('button', { name: 'List sessions' }).click();
}

describe('the admin console in a browser', () => {
  it('shows the readiness and the counters of the gateway and keeps them current', async () => {
    await expect.poll(() => textOf('#readiness')).toBe('Ready');
    expect(await textOf('#needs')).toMatch(/store check\s+reachable[^]*provider up\s+yes/);
    expect(await textOf('#refreshes')).toContain('none');
    const agent = await fixture.signedIn(program, 'carol');
    expect(await statusOf(agent)).toBe(200);
    await fixture.provider.stop();
    onTestFinished(() => fixture.provider.start());
    await agent.fetch('/auth/logout', { method: 'POST' });
    await expect.poll(() => textOf('#needs'), PATIENCE).toMatch(/provider up\s+no/);
    expect(await textOf('#sessions')).toMatch(/started\s+1\s+ended: logout\s+1/);
    expect(await textOf('#requests')).toMatch(/200\s+\d/);
  });

  it('lists the sessions of a user and ends them one by one or together with the right admin token', async () => {
    const [one, two] = [await fixture.signedIn(program), await fixture.signedIn(program)];
    const [id, other] = [await idOf(one), await idOf(two)];
    await list('alice', 'another-token-than-the-configured-one');
    await expect.poll(() => textOf('#outcome')).toBe('The admin token is wrong.');
    await list('alice');
    await expect.poll(() => textOf('#outcome')).toBe('Found: 2 sessions of alice');
    expect(await page.locator('#found tbody tr').count()).toBe(2);

    await page.getByRole('button', { name: `End session ${id}` }).click();
    await expect.poll(() => textOf('#outcome')).toBe(`Ended: ${id}`);
    expect(await textOf('#found tbody')).toContain(other);
    expect(await textOf('#found tbody')).not.toContain(id);
    expect([await statusOf(one), await statusOf(two)]).toEqual([401, 200]);

    await page.getByRole('button', { name: 'End all sessions of this subject' }).click();
    await expect.poll(() => textOf('#outcome')).toBe('Ended: one session of alice');
    expect(await statusOf(two)).toBe(401);
  });

  it('shows the sessions of a user with very many a hundred at a time', async () => {
    for (let n = 0; n < 101; n += 1) await fixture.signedIn(program, 'dora');
    await list('dora');
    await expect.poll(() => textOf('#outcome')).toBe('Found: 100 sessions of dora, and there are more');
    await page.getByRole('button', { name: 'Show more sessions' }).click();
    await expect.poll(() => textOf('#outcome')).toBe('Found: 101 sessions of dora');
    expect(await page.locator('#found tbody tr').count()).toBe(101);
    expect(await page.getByRole('button', { name: 'Show more sessions' }).isVisible()).toBe(false);
  });

  it('shows a subject that contains HTML as plain text', async () => {
    const name = '<img src=x onerror=alert(1)>';
    await fixture.signedIn(program, name);
    await list(name);
    await expect.poll(() => textOf('#found caption')).toBe(`Sessions of ${name}`);
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
    await expect.poll(() => textOf('#outcome')).toBe('All sessions ended.');
    expect(await statusOf(agent)).toBe(401);
  });

  it('keeps the admin token only in the open page (standards: E23)', async () => {
    await list('alice');
    await expect.poll(() => textOf('#outcome')).toContain('Found');
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
    await expect.poll(() => opened.locator('#readiness').innerText()).toBe('Ready');
    expect(await opened.getByRole('heading', { name: 'Session administration' }).isVisible()).toBe(false);
  });

  it('violates no rule of its own Content-Security-Policy in any of these tests', () => {
    // A browser logs every 4xx and 5xx response.
    expect(complaints.filter((text) => !text.startsWith('Failed to load resource'))).toEqual([]);
  });
});
