import { onTestFinished } from 'vitest';
import { requireProof, requireProofOfUpgrades } from '../../../testkit/dpop/protected-upstream.ts';
import {
  createProofVerifier,
  type ProofVerifier,
  thumbprintInToken,
} from '../../../testkit/dpop/proof-verifier.ts';
import { type FakeProviderOptions, startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import {
  openTestGateway,
  type TestGateway,
  type TestGatewayOptions,
} from '../../../testkit/gateway/test-gateway.ts';
import { merged } from '../../../testkit/gateway/gateway-config.ts';
import type { Behaviour } from '../../../testkit/upstream/behaviours.ts';

/** A gateway with `provider.dpop`, a provider that requires proofs, and an API that verifies them. */
export type DpopFixture = TestGateway & {
  /** Checks the proofs for the provider's endpoints, by the machine's clock. */
  readonly atProvider: ProofVerifier;
  /** Checks the proofs for the API, by the gateway's clock. */
  readonly atUpstream: ProofVerifier;
  /** The thumbprint of the key of an active access token. */
  thumbprintOf(accessToken: string): string | undefined;
  /** Makes the API require a bound token and its proof before it behaves like this. */
  protect(next?: Behaviour): void;
};

type FixtureOptions = Omit<TestGatewayOptions, 'provider'> & { provider?: FakeProviderOptions };

/** Opens it, and closes it after the test. */
export async function openDpopFixture(options: FixtureOptions = {}): Promise<DpopFixture> {
  const { provider: providerOptions, config = {}, ...rest } = options;
  const atProvider = createProofVerifier();
  const provider = await startFakeProvider({ proofs: atProvider, ...providerOptions });
  const gateway = await openTestGateway({
    ...rest,
    provider,
    config: merged({ provider: { dpop: true } }, config),
  });
  onTestFinished(() => gateway.close());
  const atUpstream = createProofVerifier({ clock: gateway.now });
  const thumbprintOf = (token: string) =>
    provider.isAccessTokenActive(token) ? thumbprintInToken(token) : undefined;
  const resource = { origin: gateway.upstream.url, verifier: atUpstream, thumbprintOf };
  const protect = (next?: Behaviour) => gateway.upstream.respond(requireProof(resource, next));
  protect();
  gateway.upstream.rejectUpgradesIf(requireProofOfUpgrades(resource));
  return Object.assign(gateway, { atProvider, atUpstream, thumbprintOf, protect });
}
