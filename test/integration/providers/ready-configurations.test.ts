import { readdirSync, readFileSync } from 'node:fs';
import { expect, it, onTestFinished } from 'vitest';
import { startBank } from '../../../testkit/providers/bank.ts';
import { startAuth0 } from '../../../testkit/providers/named/auth0.ts';
import { startCognito } from '../../../testkit/providers/named/cognito.ts';
import { startDex } from '../../../testkit/providers/named/dex.ts';
import { startEntra } from '../../../testkit/providers/named/entra.ts';
import { startGoogle } from '../../../testkit/providers/named/google.ts';
import { startHydra } from '../../../testkit/providers/named/hydra.ts';
import { startKeycloak } from '../../../testkit/providers/named/keycloak.ts';
import { startOkta } from '../../../testkit/providers/named/okta.ts';
import type { ProviderFake, ProviderKind } from '../../../testkit/providers/provider-fake.ts';
import { openProviderFixture } from '../../../testkit/providers/provider-fixture.ts';
import { startReadyFake } from '../../../testkit/providers/named/ready-fake.ts';
import { signInWithPassword, startVendorApi } from '../../../testkit/providers/vendor-api.ts';

const root = new URL('../../../', import.meta.url);
const files = readdirSync(new URL('config/providers/', root)).map((file) => `providers/${file}`);

type Ready = [
  lifeSeconds: number,
  open: (clock: () => number) => Promise<ProviderFake>,
  signIn?: ProviderKind['signIn'],
];

/** The fake for each ready configuration, and the lifetime of its access tokens. It responds as the documentation of its provider says, with nothing more. */
const fakes: Record<string, Ready> = {
  'default.yaml': [300, (clock) => startReadyFake('../default', { clock })],
  'providers/auth0.yaml': [86400, startAuth0],
  'providers/bank.yaml': [300, (clock) => startBank(clock)],
  'providers/cognito.yaml': [3600, startCognito],
  'providers/dex.yaml': [600, startDex],
  'providers/entra.yaml': [4811, startEntra],
  'providers/google.yaml': [3599, startGoogle],
  'providers/hydra.yaml': [3599, startHydra],
  'providers/keycloak.yaml': [300, (clock) => startKeycloak(clock)],
  'providers/okta.yaml': [3600, startOkta],
  'providers/vendor-api.yaml': [3600, startVendorApi, signInWithPassword],
};

/** Needs keys and a browser that trusts them. */
const FAPI = 'providers/fapi2.yaml';

it('every ready configuration of a provider runs against a fake', () => {
  expect(Object.keys(fakes).filter((file) => file.startsWith('providers/'))).toEqual(
    files.filter((file) => file !== FAPI).toSorted(),
  );
  const fapi = readFileSync(new URL('test/integration/fapi/ready-configuration.test.ts', root), 'utf8');
  expect(fapi).toContain("readyConfiguration('fapi2'");
});

it.each(Object.entries(fakes))(
  'config/%s signs in, calls an API and refreshes once',
  async (_file, [lifeSeconds, open, signIn]) => {
    const fixture = await openProviderFixture({ open, ...(signIn && { signIn }) });
    onTestFinished(() => fixture.close());
    await fixture.signIn();
    expect((await fixture.agent.fetch('/api/one')).status).toBe(200);
    fixture.advance(lifeSeconds * 1000);
    expect((await fixture.agent.fetch('/api/one')).status).toBe(200);
    expect(fixture.refreshes()).toBe(1);
  },
);
