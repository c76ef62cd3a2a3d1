import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { parseConfig } from '../../src/provider/read-config.ts';
import type { Config } from '../../src/config/schema/schema.ts';
import { type Gateway, createGateway } from '../../src/gateway.ts';
import { createLogger } from '../../src/observability/log.ts';
import { canaries } from '../secrets/canaries.ts';
import { keepPrivateKeys } from '../secrets/private-keys.ts';
import { type GatewayParts, gatewayConfig, merged } from './gateway-config.ts';
import { listenOnLoopback } from '../network/loopback-server.ts';

/** A gateway in this process, with its listeners. */
export type RunningGateway = {
  /** Its base URL. */
  readonly url: string;
  /** The port of the public listener, on 127.0.0.1. */
  readonly port: number;
  readonly adminUrl: string;
  readonly config: Config;
  readonly gateway: Gateway;
  /** Reloads it with its first configuration, in which these keys are others. */
  reload(changes: Record<string, unknown>): Promise<void>;
  /** Every line it logged, at every level. */
  logs(): string;
  /** Cuts its connections, closes its listeners and the gateway. */
  close(): Promise<void>;
};

/** The gateway's surroundings, its clock, and a base URL if it differs from its address (for a replica). */
export type GatewayOptions = GatewayParts & { clock?: () => number; baseUrl?: string };

/** Starts a gateway on free ports of 127.0.0.1. */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  // As in the program, where the route limits the time of a body.
  const server = createServer({ requestTimeout: 0 });
  const adminServer = createServer();
  const listener = await listenOnLoopback(server);
  const adminListener = await listenOnLoopback(adminServer);
  const close = async () => {
    await Promise.all([listener.stop(), adminListener.stop()]);
  };

  const address = `127.0.0.1:${listener.port}`;
  const lines: string[] = [];
  try {
    const input = gatewayConfig(options, options.baseUrl ?? `http://${address}`, address);
    const config = parseConfig(input);
    canaries.keepSessionSecrets(config.session.secrets);
    keepPrivateKeys(canaries, input);
    const write = (line: string) => {
      lines.push(line);
      canaries.see('the log', line);
    };
    const log = createLogger(config.log, { write });
    const gateway = createGateway(config, { log, ...(options.clock && { clock: options.clock }) });
    server.on('connection', canaries.follow);
    server.on('request', gateway.app);
    server.on('checkContinue', gateway.app);
    server.on('upgrade', (request, socket: Socket, head) => gateway.upgrade(request, socket, head));
    adminServer.on('request', gateway.admin);

    const adminUrl = `http://127.0.0.1:${adminListener.port}`;
    return {
      url: config.baseUrl,
      port: listener.port,
      adminUrl,
      config,
      gateway,
      async reload(changes) {
        const next = parseConfig(merged(input, changes));
        keepPrivateKeys(canaries, changes);
        canaries.keepSessionSecrets(next.session.secrets);
        await gateway.reload(next);
      },
      logs: () => lines.join(''),
      close: async () => {
        if (adminServer.listening)
          canaries.see('the metrics', await (await fetch(`${adminUrl}/metrics`)).text());
        await close();
        await gateway.close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
