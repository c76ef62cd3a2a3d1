import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

/** Starts a headless Chromium: that of the environment variable CHROMIUM, or the system's. */
export async function startChromium(): Promise<Browser> {
  const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
  if (!existsSync(executablePath)) {
    throw new Error(
      `There is no browser at ${executablePath}: install the package chromium, or set CHROMIUM.`,
    );
  }
  return chromium.launch({
    executablePath,
    // Without these a browser talks to its maker's hosts, which a test machine need not reach.
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
