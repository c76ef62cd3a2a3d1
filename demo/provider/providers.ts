import { startDemoBank } from './bank.ts';
import type { DemoProvider, DemoProviderOptions } from './demo-provider.ts';
import { startOpenIdProvider } from './openid-provider.ts';
import { startDemoVendorApi } from './vendor-api.ts';

/** Every kind that the demo can be started with. */
export const providers = {
  oidc: (options: DemoProviderOptions) => startOpenIdProvider(options),
  'vendor-api': startDemoVendorApi,
  bank: startDemoBank,
  decoupled: (options: DemoProviderOptions) => startOpenIdProvider(options, 'decoupled'),
} satisfies Record<string, (options: DemoProviderOptions) => Promise<DemoProvider>>;

/** The name of a kind. */
export type ProviderName = keyof typeof providers;

/** Whether there is a provider of that name. */
export function isProviderName(name: string): name is ProviderName {
  return Object.hasOwn(providers, name);
}
