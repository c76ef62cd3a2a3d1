import type { Config } from '../config/schema/schema.ts';
import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { createCredentialsProvider } from './credentials/provider.ts';
import { createOAuth2Provider } from './oauth2/provider.ts';
import { createOidcProvider } from './oidc/provider.ts';
import type { Provider } from './provider.ts';

/** Makes the provider of the kind that is configured. */
export function createProvider({
  config,
  ...deps
}: {
  config: Config['provider'];
  /** Where the provider sends the browser back to. From the configuration, never from a request. */
  redirectUri: string;
  timeoutMs: number;
  clock: () => number;
  log: Logger;
  metrics: Metrics;
}): Provider {
  switch (config.type) {
    case 'oidc':
      return createOidcProvider({ config, ...deps });
    case 'oauth2':
      return createOAuth2Provider({ config, ...deps });
    case 'credentials':
      return createCredentialsProvider({ config, ...deps });
  }
}

/** The provider as people know it: its issuer, or the origin of its endpoints. */
export function nameOf(config: Config['provider']): string {
  switch (config.type) {
    case 'oidc':
      return config.issuer;
    case 'oauth2':
      return new URL(config.tokenEndpoint ?? config.decoupledTokenEndpoint ?? '').origin;
    case 'credentials':
      return new URL(config.login.url).origin;
  }
}
