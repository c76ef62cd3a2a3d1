import { startVendorApi } from '../../testkit/providers/vendor-api.ts';
import { createAccessTokens } from './access-tokens.ts';
import type { DemoProvider, DemoProviderOptions } from './demo-provider.ts';
import { createPeople } from './people.ts';

/** The password of all people. */
const PASSWORD = 'coat check';

/** Starts the vendor API of the tests, with an account for each of the demo's people. */
export async function startDemoVendorApi(options: DemoProviderOptions): Promise<DemoProvider> {
  const { appUrl, audience, accessTokenTtl } = options;
  const vendor = await startVendorApi(Date.now, {
    ...createAccessTokens({ audience, lifetime: accessTokenTtl }),
    accounts: Object.fromEntries(createPeople().offered.map(({ sub }) => [sub, PASSWORD])),
  });
  vendor.lifeSeconds = accessTokenTtl;
  vendor.refreshLifeSeconds = 3600;

  return {
    url: vendor.url,
    close: () => void vendor.close(),
    section: vendor.register(appUrl),
    signIn: { by: 'password', username: 'ada', password: PASSWORD },
    advice: `Sign in as ada or grace; the password is "${PASSWORD}".`,
  };
}
