import { parseConfig } from '../../../src/provider/read-config.ts';
import { createLogger } from '../../../src/observability/log.ts';
import { type RunningServer, startServer } from '../../../src/server.ts';
import { type FakeProvider, startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { gatewayConfig } from '../../../testkit/gateway/gateway-config.ts';
import { type Upstream, startUpstream } from '../../../testkit/upstream/upstream.ts';

/** A gateway with listeners of its own, as the program has them. */
export type OpenServer = {
  readonly provider: FakeProvider;
  readonly upstream: Upstream;
  readonly server: RunningServer;
  /** The port of its listener. */
  readonly port: number;
  close(): Promise<void>;
};

/** The address that clients ask for; the listener is on another port, which does not matter to the gateway. */
export const HOST = '127.0.0.1:3000';

/** Starts a gateway and passes each line of its log to `write`. */
export async function openServer(write: (line: string) => void = () => undefined): Promise<OpenServer> {
  const [provider, upstream] = await Promise.all([startFakeProvider(), startUpstream()]);
  const config = parseConfig(gatewayConfig({ provider, upstream }, `http://${HOST}`, '127.0.0.1:0'));
  const server = await startServer(config, createLogger({ level: 'info', format: 'json' }, { write }));
  return {
    provider,
    upstream,
    server,
    port: Number(new URL(server.url).port),
    async close() {
      await server.stop();
      await Promise.all([provider.close(), upstream.close()]);
    },
  };
}
