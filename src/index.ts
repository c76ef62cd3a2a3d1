import './gateway/require-supported-node.ts';
import type { ConfigInput } from './config/config-input.ts';
import { createGateway as compose, type Gateway as ComposedGateway } from './gateway.ts';
import type { HostRegistry } from './observability/host-registry.ts';
import { createHostedLogger, createLogger, type Logger } from './observability/log.ts';
import { parseConfig } from './provider/read-config.ts';

export type { ErrorCode } from './errors.ts';
export type { HostSession, TokenRequest } from './gateway/host-session.ts';
export type { ConfigInput };
export { ConfigError } from './config/config-error.ts';
export { GatewayError } from './errors.ts';

/** A gateway for a server of your own. */
export type Gateway = Pick<
  ComposedGateway,
  'app' | 'serverOptions' | 'upgrade' | 'admin' | 'session' | 'accessToken' | 'drain' | 'close'
> & {
  /**
   * Applies another configuration to the requests that come from now on; those in progress end under the former one. Keys
   * that need a restart keep their values, and a warning names them. Rejects with a {@link ConfigError} when the
   * configuration is invalid; the former one then stays in force.
   */
  reload(config: ConfigInput): Promise<void>;
};

/** What a host provides instead of the gateway's own. */
export type GatewayOptions = {
  /** A pino logger. It decides about level, format and destination: the `log` section does not apply. */
  readonly logger?: Logger;
  /** A prom-client registry that gets the gateway's metrics until the gateway is closed. Each gateway needs one of its own. */
  readonly registry?: HostRegistry;
};

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
export function createGateway(config: ConfigInput, { logger, registry }: GatewayOptions = {}): Gateway {
  const parsed = parseConfig(config);
  const log = logger === undefined ? createLogger(parsed.log) : createHostedLogger(logger);
  const { app, serverOptions, upgrade, admin, session, accessToken, drain, close, ...composed } = compose(
    parsed,
    { log, ...(registry && { registry }) },
  );
  return {
    app,
    serverOptions,
    upgrade,
    admin,
    session,
    accessToken,
    drain,
    close,
    async reload(changed) {
      const next = readOrCount(changed, composed.reloadFailed);
      await composed.reload(next);
      if (logger === undefined) log.level = next.log.level;
    },
  };
}

function readOrCount(config: ConfigInput, onInvalid: () => void) {
  try {
    return parseConfig(config);
  } catch (error) {
    onInvalid();
    throw error;
  }
}
