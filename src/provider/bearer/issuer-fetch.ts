import type { CustomFetch } from 'openid-client';
import type { ProviderSection } from '../../config/schema/provider-section.ts';
import { createProviderClient } from '../http/http-client.ts';

/**
 * The fetch for the metadata and keys of other issuers than the provider: over the proxy and with the CA of `provider`, and
 * without counting for the health of the provider.
 */
export function createIssuerFetch(config: Pick<ProviderSection, 'proxy' | 'tls'>): CustomFetch {
  const { proxy } = config;
  const { ca } = config.tls;
  // The client certificate is for the provider alone.
  const tls = ca === undefined ? {} : { ca };
  const uncounted = () => undefined;
  const health = { responded: uncounted, failed: uncounted };
  let fetch: CustomFetch | undefined;
  // Created at the first use: most gateways have no such callers.
  return (url, options) => {
    fetch ??= createProviderClient({ config: { proxy, tls }, health }).fetchWith({});
    return fetch(url, options);
  };
}
