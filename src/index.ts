import type { ConfigInput } from './config/config-input.ts';
import { createGateway as compose, type Gateway } from './gateway.ts';
import { parseConfig } from './provider/read-config.ts';

export type { ConfigInput, Gateway };
export { ConfigError } from './config/config-error.ts';

/**
 * Creates a gateway for your own server. The configuration has the same keys as the YAML file; editors show what each key means.
 * Throws {@link ConfigError} with all problems of the configuration.
 *
 * @example
 * ```ts
 * const gateway = createGateway({ baseUrl: 'https://app.example.com', provider, session, routes });
 * const server = http.createServer(gateway.serverOptions, gateway.app);
 * server.on('checkContinue', gateway.app);
 * server.on('upgrade', gateway.upgrade);
 * ```
 */
export function createGateway(config: ConfigInput): Gateway {
  return compose(parseConfig(config));
}
