import { type Client, settingsWith } from '../../fake-provider/settings.ts';
import {
  type FakeProvider,
  type FakeProviderOptions,
  startFakeProvider,
} from '../../fake-provider/fake-provider.ts';
import { readyProvider } from '../ready-configuration.ts';

type ReadyFakeOptions = Omit<FakeProviderOptions, 'client'> & { client?: Partial<Client> };

/** Starts a fake of a provider that has a ready configuration, and gives that configuration to gateways. */
export async function startReadyFake(
  name: string,
  { client, ...options }: ReadyFakeOptions,
  variables: (provider: FakeProvider) => Record<string, string> = () => ({}),
): Promise<FakeProvider> {
  const provider = await startFakeProvider({
    ...options,
    client: { ...settingsWith({}).client, ...client },
  });
  const { register, issuer } = provider;
  return Object.assign(provider, {
    register: (baseUrl: string) => {
      register(baseUrl);
      const { id, secret } = provider.client;
      return readyProvider(name, {
        ISSUER: issuer,
        CLIENT_ID: id,
        CLIENT_SECRET: secret,
        ...variables(provider),
      });
    },
  });
}

/** The parameters of an authorization response of a provider that does not know RFC 9207. */
export function withoutIssuer(parameters: Record<string, string>): Record<string, string> {
  const rest = { ...parameters };
  delete rest['iss'];
  return rest;
}
