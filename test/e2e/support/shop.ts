import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type FakeProvider,
  type FakeProviderOptions,
  startFakeProvider,
} from '../../../testkit/fake-provider/fake-provider.ts';
import { type RunningGateway, startGateway } from '../../../testkit/gateway/gateway.ts';
import { type Upstream, startUpstream } from '../../../testkit/upstream/upstream.ts';
import { echo } from '../../../testkit/upstream/behaviours.ts';
import { type Site, type TlsFront, startSite, startTlsFront } from './sites.ts';

/** The app; the provider is on another site, http://127.0.0.1. */
export const APP = 'https://app.shop.test';
export const SIBLING = 'https://blog.shop.test';
export const EVIL = 'https://evil.example';
export const TICKET = '__Host-Http-coatcheck';

/** An app behind a gateway on https, with a sibling host and another site. */
export type Shop = {
  readonly provider: FakeProvider;
  readonly upstream: Upstream;
  readonly gateway: RunningGateway;
  readonly front: TlsFront;
  /** Serves the pages of the sibling host and of the other site. */
  readonly elsewhere: Site;
  /** The port of each host, for a browser. */
  readonly hosts: Readonly<Record<string, number>>;
  /** The targets of all requests that reached the API with an access token. */
  bearers(): string[];
  /** Forgets what the API has received, and resets its responses and those of the other sites. */
  reset(): void;
  close(): Promise<void>;
};

/** A service worker that repeats every request, including navigations. */
const PASSING_WORKER = `
  self.addEventListener('install', () => self.skipWaiting());
  self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
  self.addEventListener('fetch', (event) => event.respondWith(fetch(event.request)));
`;

/** The page and the service worker of the app, and the configuration, where they are not the usual ones, and the settings of the provider. */
export type ShopOptions = {
  index?: string;
  worker?: string;
  provider?: FakeProviderOptions;
  config?: Record<string, unknown>;
};

/**
 * Opens the shop. Its app has a link to the sign-in and, at `/worker.js`, a service worker that passes requests on. The
 * built browser helper is at `/coatcheck/`.
 */
export async function openShop({
  index = '<!doctype html><title>app</title><a href="/auth/login">in</a>',
  worker = PASSING_WORKER,
  provider: settings = {},
  config = {},
}: ShopOptions = {}): Promise<Shop> {
  const folder = await mkdtemp(join(tmpdir(), 'coatcheck-app-'));
  await writeFile(join(folder, 'index.html'), index);
  await writeFile(join(folder, 'worker.js'), worker);
  await cp(join(import.meta.dirname, '../../../dist/client'), join(folder, 'coatcheck'), { recursive: true });
  const [provider, upstream, elsewhere]: [FakeProvider, Upstream, Site] = await Promise.all([
    startFakeProvider(settings),
    startUpstream(),
    startSite(),
  ]);
  const gateway = await startGateway({
    provider,
    upstream,
    baseUrl: APP,
    config: { spa: { directory: folder }, ...config },
  });
  const front = await startTlsFront(gateway.port);

  return {
    provider,
    upstream,
    gateway,
    front,
    elsewhere,
    hosts: {
      'app.shop.test': front.port,
      'blog.shop.test': elsewhere.port,
      'evil.example': elsewhere.port,
    },
    bearers: () => upstream.requests.flatMap(({ bearer, target }) => (bearer === undefined ? [] : [target])),
    reset: () => {
      upstream.respond(echo);
      upstream.requests.length = 0;
      upstream.upgrades.length = 0;
      elsewhere.send({});
    },
    close: async () => {
      await front.close();
      await gateway.close();
      await Promise.all([provider.close(), upstream.close(), elsewhere.close()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
