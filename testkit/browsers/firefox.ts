import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startChildProcess } from '../processes/child-process.ts';
import { connectBidi } from './bidi.ts';
import type { TestBrowser } from './browser.ts';
import { createFirefoxContext } from './firefox-context.ts';
import { startConnectProxy } from '../network/connect-proxy.ts';

/** Without these preferences the browser connects to hosts of its vendor, which a test machine may not reach. */
const PREFERENCES = {
  'app.normandy.enabled': false,
  'app.update.disabledForTesting': true,
  'browser.aboutwelcome.enabled': false,
  'browser.safebrowsing.downloads.enabled': false,
  'browser.safebrowsing.malware.enabled': false,
  'browser.safebrowsing.phishing.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.page': 0,
  'datareporting.policy.dataSubmissionEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,',
  'toolkit.telemetry.enabled': false,
};

/**
 * Starts a headless Firefox (the one in the environment variable FIREFOX, or that of the system) and drives it by WebDriver BiDi:
 * playwright-core drives only its own build of Firefox. Each host maps to a port of 127.0.0.1.
 */
export async function startFirefox(hosts: Readonly<Record<string, number>> = {}): Promise<TestBrowser> {
  const program = process.env['FIREFOX'] ?? '/usr/bin/firefox-esr';
  if (!existsSync(program)) {
    throw new Error(`There is no browser at ${program}: install the package firefox-esr, or set FIREFOX.`);
  }
  const profile = await mkdtemp(join(tmpdir(), 'coatcheck-firefox-'));
  const lines = Object.entries(PREFERENCES).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
  );
  await writeFile(join(profile, 'user.js'), lines.join(''));
  const proxy = await startConnectProxy({ hosts });
  const args = ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0'];
  // Disables the crash reporter and ignores the profile of the user.
  const env = { PATH: process.env['PATH'], HOME: profile, MOZ_CRASHREPORTER_DISABLE: '1', MOZ_HEADLESS: '1' };
  const child = startChildProcess('/bin/sh', ['-c', 'exec "$@" 2>&1', 'sh', program, ...args], { env });

  const close = async () => {
    await child.terminate(5_000);
    await proxy.stop();
    await rm(profile, { recursive: true, force: true });
  };
  try {
    const url = await child.waitForOutput(
      (text) => /WebDriver BiDi listening on (ws:\S+)/.exec(text)?.[1],
      60_000,
    );
    const bidi = await connectBidi(`${url}/session`);
    await bidi.send('session.new', {
      capabilities: {
        alwaysMatch: {
          acceptInsecureCerts: true,
          proxy: { proxyType: 'manual', sslProxy: `127.0.0.1:${proxy.port}` },
        },
      },
    });
    await bidi.send('session.subscribe', { events: ['browsingContext.load'] });
    return {
      newContext: () => createFirefoxContext(bidi),
      close: async () => {
        bidi.close();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
