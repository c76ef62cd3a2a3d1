import { startBank } from './bank.ts';
import { startProvider } from './provider.ts';
import type { RunningServer } from './server.ts';
import { startVendorApi } from './vendor-api.ts';

/** What a provider must know about the application. */
export interface DemoProviderOptions {
  /** The application's origin; its callback is `/auth/callback` there. */
  appUrl: string;
  clientId: string;
  clientSecret: string;
  /** The API that access tokens are for: their `aud`. An absolute URI. */
  audience: string;
  /** Seconds that an access token lives. */
  accessTokenTtl: number;
}

/** How people sign in: by a redirect to the provider, by a form, or on another device at `url`. */
export type SignIn =
  { by: 'redirect' } | { by: 'password'; username: string; password: string } | { by: 'device'; url: string };

/** A token server of some kind, running. Its `url` is the issuer of its access tokens. */
export interface DemoProvider extends RunningServer {
  /** The `provider` section of the gateway's configuration, where it is not that of `config/demo.yaml`. */
  section?: Record<string, unknown>;
  signIn: SignIn;
  /** Instructions for the sign-in, in one sentence. */
  advice: string;
}

/** Every kind that the demo can be started with. */
export const providers = {
  oidc: (options: DemoProviderOptions) => startProvider(options),
  'vendor-api': startVendorApi,
  bank: startBank,
  decoupled: (options: DemoProviderOptions) => startProvider(options, 'decoupled'),
} satisfies Record<string, (options: DemoProviderOptions) => Promise<DemoProvider>>;

/** The name of a kind. */
export type ProviderName = keyof typeof providers;

/** Whether there is a provider of that name. */
export function isProviderName(name: string): name is ProviderName {
  return Object.hasOwn(providers, name);
}
