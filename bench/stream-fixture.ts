import type { BaselineShape } from './baselines/baseline.ts';
import type { Closing } from './cleanup.ts';
import { type Part, startPart } from './worker.ts';
import type { BrowsersShape } from './workers/browsers.ts';
import type { StreamUpstreamShape } from './workers/stream-upstream.ts';
import { openStage, type Stage } from './fixture.ts';

/** A program before the API of long answers, and somebody who is signed in there. */
export type Passage = {
  readonly title: string;
  readonly pid: number;
  readonly port: number;
  readonly cookie: string;
};

/** A stage for what lasts: streams, large bodies, WebSockets. */
export type LongStage = Stage & {
  readonly browsers: Part<BrowsersShape>;
  readonly api: Part<StreamUpstreamShape>;
  /** http-proxy-middleware alone, and Coatcheck. */
  readonly passages: readonly [Passage, Passage];
};

/** Opens such a stage. */
export async function openLongStage(closing: Closing): Promise<LongStage> {
  const stage = await openStage(closing);
  const browsers = await stage.open(startPart<BrowsersShape>('parts/browsers.ts'));
  const api = await stage.open(startPart<StreamUpstreamShape>('parts/stream-upstream.ts'));
  const upstream = `http://127.0.0.1:${api.hello.port}`;
  const options = { upstream, redisUrl: stage.redis.url };
  const proxy = await stage.open(startPart<BaselineShape>('baselines/http-proxy-middleware.ts', options));
  // Each stream has a connection of its own to the API, and bodies are larger than an API usually takes.
  const route = { maxBody: 0, websocket: true, connections: { max: 2000 } };
  const gateway = await stage.coatcheck({ keyPrefix: 'long:', upstream, route });
  const [cookie = ''] = await gateway.signIn(['person']);
  const { pid, port } = gateway;
  return {
    ...stage,
    browsers,
    api,
    passages: [
      { title: 'http-proxy-middleware alone', pid: proxy.pid, ...proxy.hello },
      { title: 'Coatcheck', pid, port, cookie },
    ],
  };
}
