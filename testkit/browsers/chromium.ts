import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

/**
 * Starts a headless Chromium: that of the environment variable CHROMIUM, or the system's. Names of hosts lead to ports of
 * 127.0.0.1 where it is told so.
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
    // Without these a browser talks to its maker's hosts, which a test machine need not reach.
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      `--host-resolver-rules=${rules.join(',')}`,
    ],
  });
}
