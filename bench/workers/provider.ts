import { startFakeProvider } from '../../testkit/fake-provider/fake-provider.ts';
import { createProofVerifier } from '../../testkit/dpop/proof-verifier.ts';
import { serveWorker, workerOptions } from '../worker-process.ts';

/** With `dpop`, it requires proofs and binds access tokens to their keys. */
export type ProviderOptions = { readonly dpop: boolean };

/** The lengths of the latest tokens, in bytes. */
type TokenSizes = { access: number; id: number };

export type ProviderShape = {
  /** The OAuth client that all gateways of the benchmark share. */
  ready: { issuer: string; clientId: string; clientSecret: string };
  commands: {
    /** Registers the redirect URI of a gateway. */
    register(baseUrl: string): void;
    /** Sets the lifetime of access tokens issued from now on, in seconds. */
    setLifetime(seconds: number): void;
    /** How long the token endpoint takes, in milliseconds. */
    setTokenDelay(ms: number): void;
    /** The number of refresh requests so far. */
    refreshes(): number;
    tokenSizes(): TokenSizes;
    /** The number of revoked token families, such as after the reuse of a refresh token. */
    deadFamilies(): number;
  };
};

const sizes: TokenSizes = { access: 0, id: 0 };

const { dpop } = workerOptions<ProviderOptions | null>() ?? { dpop: false };
const provider = await startFakeProvider({
  ...(dpop && { proofs: createProofVerifier() }),
  accessTokenLifetime: 3600,
  // Pads the access token to 1.1 kB, the size of the ID token.
  audience: Array.from({ length: 6 }, (_, at) => `https://api-${at}.example.test`).join(' '),
  patchTokenResponse: (response) => {
    sizes.access = String(response['access_token']).length;
    sizes.id = String(response['id_token']).length;
    return response;
  },
});
const { issuer, client } = provider;

serveWorker({ issuer, clientId: client.id, clientSecret: client.secret }, {
  register: (baseUrl: string) => void client.redirectUris.push(`${baseUrl}/auth/callback`),
  setLifetime: (seconds: number) => void (provider.accessTokenLifetime = seconds),
  setTokenDelay: (ms: number) => provider.faults.delayMs('token', ms),
  tokenSizes: () => sizes,
  refreshes: () => provider.tokenCalls({ grant: 'refresh_token' }),
  deadFamilies: () => provider.families.filter(({ alive }) => !alive).length,
} satisfies ProviderShape['commands']);
