import type { buildConnector as Undici } from 'undici';
import type { ProviderSection } from '../../config/schema/provider-section.ts';
import { tlsOptions } from '../../config/schema/tls.ts';
import { buildConnector } from '../../performance/undici.ts';
import { createProxyFor } from './proxy.ts';
import { openTunnel } from './tunnel.ts';

/** How long connecting may take, in milliseconds: to the provider, and before that to a proxy. */
const CONNECT_TIMEOUT_MS = 5_000;

/** Connects to a provider as its `proxy` and `tls` say. */
export function createConnector({ proxy, tls }: Pick<ProviderSection, 'proxy' | 'tls'>) {
  const proxyFor = createProxyFor(proxy);
  const connect = buildConnector({
    timeout: CONNECT_TIMEOUT_MS,
    allowH2: false,
    ...tlsOptions(tls),
  });

  const connector: Undici.connector = (options, callback) => {
    const { protocol, hostname } = options;
    const host = hostname.replace(/^\[|\]$/g, '');
    const port = options.port === '' ? (protocol === 'https:' ? 443 : 80) : Number(options.port);
    const target = { protocol, host, port };
    const through = proxyFor(target);
    if (through === undefined) return connect(options, callback);
    openTunnel(through, target, { timeoutMs: CONNECT_TIMEOUT_MS, ca: tls.ca }, (error, socket) => {
      if (error !== null) callback(error, null);
      else if (protocol === 'https:') connect({ ...options, httpSocket: socket }, callback);
      else callback(null, socket.setNoDelay(true));
    });
  };
  return connector;
}
