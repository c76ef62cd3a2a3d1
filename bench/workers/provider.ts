import { startFakeProvider } from '../../testkit/fake-provider.ts';
import { serveWorker } from '../worker-process.ts';

/** The lengths of the tokens that were issued last, in bytes. */
export type TokenSizes = { access: number; id: number };

/** The client that every gateway of the benchmark is. */
export type ProviderClient = { issuer: string; clientId: string; clientSecret: string };

export type ProviderShape = {
  hello: ProviderClient;
  commands: {
    /** Registers the redirect URI of a gateway. */
    register(baseUrl: string): void;
    /** How long the access tokens live that are issued from now on, in seconds. */
    setLifetime(seconds: number): void;
    /** How long the token endpoint takes, in milliseconds. */
    setTokenDelay(ms: number): void;
    /** How many refreshes were asked for so far. */
    refreshes(): number;
    tokenSizes(): TokenSizes;
    /** How many families of tokens are dead, because a refresh token was used twice or for another reason. */
    deadFamilies(): number;
  };
};

const sizes: TokenSizes = { access: 0, id: 0 };

const provider = await startFakeProvider({
  accessTokenLifetime: 3600,
  // Makes an access token of 1.1 kB, which the ID token is by itself.
  audience: Array.from({ length: 7 }, (_, at) => `https://api-${at}.example.test`).join(' '),
  patchTokenResponse: (response) => {
    sizes.access = String(response['access_token']).length;
    sizes.id = String(response['id_token']).length;
    return response;
  },
});
const { issuer, client } = provider;
const hello: ProviderClient = { issuer, clientId: client.id, clientSecret: client.secret };

serveWorker(hello, {
  register: (baseUrl: string) => void client.redirectUris.push(`${baseUrl}/auth/callback`),
  setLifetime: (seconds: number) => void (provider.accessTokenLifetime = seconds),
  setTokenDelay: (ms: number) => provider.faults.delayMs('token', ms),
  tokenSizes: () => sizes,
  refreshes: () => provider.tokenCalls({ grant: 'refresh_token' }),
  deadFamilies: () => provider.families.filter(({ alive }) => !alive).length,
} satisfies ProviderShape['commands']);
