import type { BaselineShape } from './baselines/baseline.ts';
import type { Cleanup } from './cleanup.ts';
import { type Worker, startWorker } from './worker.ts';
import type { BrowsersShape } from './workers/browsers.ts';
import type { StreamUpstreamShape } from './workers/stream-upstream.ts';
import { openFixture, type Fixture } from './fixture.ts';

/** A proxy in front of the streaming API, with the cookie of a signed-in user. */
export type MeasuredProxy = {
  readonly title: string;
  readonly pid: number;
  readonly port: number;
  readonly cookie: string;
};

/** A fixture for streams, large bodies and WebSockets. */
export type StreamFixture = Fixture & {
  readonly browsers: Worker<BrowsersShape>;
  readonly api: Worker<StreamUpstreamShape>;
  /** http-proxy-middleware alone, and Coatcheck. */
  readonly proxies: readonly [MeasuredProxy, MeasuredProxy];
};

/** Opens a stream fixture. */
export async function openStreamFixture(cleanup: Cleanup): Promise<StreamFixture> {
  const fixture = await openFixture(cleanup);
  const browsers = await fixture.open(startWorker<BrowsersShape>('workers/browsers.ts'));
  const api = await fixture.open(startWorker<StreamUpstreamShape>('workers/stream-upstream.ts'));
  const upstream = `http://127.0.0.1:${api.ready.port}`;
  const options = { upstream, redisUrl: fixture.redis.rootUrl };
  const proxy = await fixture.open(startWorker<BaselineShape>('baselines/http-proxy-middleware.ts', options));
  // One session opens all streams and WebSockets, each with its own connection to the API, and bodies exceed the default limit.
  const route = { maxBody: 0, websocket: true, maxConcurrent: 0, connections: { max: 8000 } };
  const gateway = await fixture.coatcheck({ keyPrefix: 'long:', upstream, route });
  const [cookie = ''] = await gateway.signIn(['person']);
  const { pid, port } = gateway;
  return {
    ...fixture,
    browsers,
    api,
    proxies: [
      { title: 'http-proxy-middleware alone', pid: proxy.pid, ...proxy.ready },
      { title: 'Coatcheck', pid, port, cookie },
    ],
  };
}
