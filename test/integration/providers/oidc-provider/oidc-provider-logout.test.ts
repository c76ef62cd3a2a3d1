import type { Configuration } from 'oidc-provider';
import { expect, it, onTestFinished, vi } from 'vitest';
import { startRealProvider } from '../../../../testkit/providers/real-provider.ts';
import { openProviderFixture } from '../../../../testkit/providers/provider-fixture.ts';
import { createUserAgent } from '../../../../testkit/user-agent/user-agent.ts';

/** How long to poll for an outcome, in milliseconds. */
const PATIENCE = { timeout: 20_000, interval: 20 };

it('a logout at oidc-provider ends the session of that browser only (rp-backchannel-rpinitlogout; standards: D17)', async () => {
  const configuration: Configuration = {
    features: { backchannelLogout: { enabled: true } },
    // By its own it reaches nothing on the loopback.
    fetch: (url, { method, headers, body } = {}) =>
      fetch(url, {
        method: String(method),
        headers: new Headers(headers),
        ...(body instanceof URLSearchParams && { body }),
      }),
  };
  let issuer = '';
  const fixture = await openProviderFixture({
    async open(clock) {
      const provider = await startRealProvider({ clock, configuration });
      ({ issuer } = provider);
      return provider;
    },
  });
  onTestFinished(() => fixture.close());
  const phone = createUserAgent(fixture.gateway.url);
  onTestFinished(() => phone.close());
  await phone.signIn();
  await fixture.signIn();
  expect((await fixture.agent.fetch('/api/one')).status).toBe(200);

  const { response: page } = await fixture.agent.navigate(`${issuer}/session/end`);
  const form = Object.fromEntries(
    [...page.text().matchAll(/name="(\w+)" value="(\w+)"/g)].map(([, name = '', value = '']) => [
      name,
      value,
    ]),
  );
  const action = /action="([^"]+)"/.exec(page.text())?.[1] ?? '';
  await fixture.agent.navigate(action, { form: { ...form, logout: 'yes' } });

  await vi.waitFor(
    () => expect(fixture.gateway.logs()).toContain('"reason":"backchannel_logout","msg":"session ended"'),
    PATIENCE,
  );
  expect((await fixture.agent.fetch('/api/one')).json()).toMatchObject({ code: 'session_expired' });
  expect((await phone.fetch('/api/one')).status).toBe(200);
});
