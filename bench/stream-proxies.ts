import type { Fixture } from './fixture.ts';
import { type Worker, startWorker } from './worker.ts';
import type { ClientsShape } from './workers/clients.ts';
import type { StreamUpstreamShape } from './workers/stream-upstream.ts';

/** A proxy in front of an API with large bodies and WebSockets, with the cookie of a signed-in user. */
export type StreamProxy = {
  readonly title: string;
  readonly pid: number;
  readonly port: number;
  readonly cookie: string;
};

/** Opens http-proxy-middleware alone and Coatcheck, and the clients that use them. */
export async function openStreamProxies(
  fixture: Fixture,
): Promise<{ clients: Worker<ClientsShape>; proxies: readonly [StreamProxy, StreamProxy] }> {
  const clients = await fixture.open(startWorker<ClientsShape>('workers/clients.ts'));
  const api = await fixture.open(startWorker<StreamUpstreamShape>('workers/stream-upstream.ts'));
  const proxy = await fixture.baseline('http-proxy-middleware', api.ready.port);
  // One session opens all WebSockets, each with its own connection to the API, and bodies exceed the default limit.
  const route = { maxBody: 0, websocket: true, maxConcurrent: 0, connections: { max: 8000 } };
  const upstream = `http://127.0.0.1:${api.ready.port}`;
  const gateway = await fixture.coatcheck({ keyPrefix: 'streams:', upstream, route });
  const [cookie = ''] = await gateway.signIn(['person']);
  return {
    clients,
    proxies: [
      { title: 'http-proxy-middleware alone', pid: proxy.pid, ...proxy.ready },
      { title: 'Coatcheck', pid: gateway.pid, port: gateway.port, cookie },
    ],
  };
}
