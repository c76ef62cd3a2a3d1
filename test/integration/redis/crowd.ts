import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { startFakeProvider } from '../../../testkit/fake-provider.ts';
import type { Family } from '../../../testkit/fake-provider/families.ts';
import { openTestGatewayForTest } from '../../../testkit/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/test-gateway.ts';
import { countOccurrences } from '../../../testkit/count-occurrences.ts';
import { until } from '../../../testkit/until.ts';
import type { UserAgent } from '../../../testkit/user-agent.ts';

/** People who call the API without end, each at two gateways in turn, while time flies and their tokens are renewed. */
export type Crowd = {
  readonly rig: TestGateway;
  /** How often which status was answered so far. */
  tally(): Record<string, number>;
  /** Resolves when so many more calls have been answered. */
  calls(count: number): Promise<void>;
  /**
   * Holds back what the provider answers to refreshes. Resolves when some are held, and no other one is under way: no new
   * token is on its way to the store then.
   */
  holdRefreshes(locks: () => Promise<string[]>): Promise<{ release(): void }>;
  /** Resolves when everybody was served at both gateways, and has had a token renewed, since it was called. */
  served(): Promise<void>;
  /** Resolves when each gateway has heard of the end of a session at the other one. */
  heard(): Promise<void>;
  /** The refresh tokens that the provider was shown more than once. */
  spentTwice(): string[];
  /** Who has no living grant at the provider any more, by name. */
  lost(): string[];
  /** How many operations of the gateways on their store failed. */
  storeErrors(): Promise<number>;
  /** Lets the people come to rest; the gateways stay. */
  rest(): Promise<void>;
};

/** The life of the access tokens, in seconds. A tenth of it passes at each step of the time. */
const LIFE = 300;
const STEP_MS = 200;
/** Nothing leaves the caches by age, and nobody is signed out by a limit. */
const CONFIG = {
  session: { cache: { maxAge: '1h' }, idleTimeout: '300d', absoluteTimeout: '365d' },
};

/** Signs people in at two gateways on one store, and lets them begin, until the test ends. Resolves when all were served. */
export async function gatherCrowd(store: string, size = 8): Promise<Crowd> {
  const rig = await openTestGatewayForTest({
    store,
    config: CONFIG,
    provider: await startFakeProvider({ accessTokenLifetime: LIFE }),
  });
  // The time of the gateways runs ahead of the machine's, which is the provider's.
  rig.provider.patchIdToken = (claims) => {
    const iat = Math.floor(rig.now() / 1000);
    return { ...claims, iat, exp: iat + LIFE };
  };
  const gateways = [rig.gateway, await rig.replica()];
  /** Signs somebody in at the first of two gateways, and gives a browser at each. */
  const signIn = async (name: string, [first = rig.gateway, second = first] = gateways) => {
    const browser = rig.browser({ at: first });
    await browser.signIn('/', { loginHint: name });
    return [browser, rig.browser({ like: browser, at: second })] as const;
  };
  const people: { name: string; browsers: readonly UserAgent[] }[] = [];
  for (let at = 0; at < size; at += 1)
    people.push({ name: `person-${at}`, browsers: await signIn(`person-${at}`) });

  const isOfPerson = ({ grant }: Family) => people.some(({ name }) => name === grant.subject);
  const statuses: number[] = [];
  /** When the latest call that was served had begun. */
  const servedAtMs = new Map<UserAgent, number>();
  let isOver = false;
  const keepCalling = async ({ name, browsers }: (typeof people)[number]) => {
    while (!isOver) {
      for (const browser of browsers) {
        const beganAtMs = Date.now();
        const { status } = await browser.fetch(`/api/${name}`);
        statuses.push(status);
        if (status === 200) servedAtMs.set(browser, beganAtMs);
        await sleep(10);
      }
    }
  };
  const allCalls = Promise.all(people.map(keepCalling));
  const time = setInterval(() => rig.advance((LIFE * 1000) / 10), STEP_MS);
  const rest = async () => {
    isOver = true;
    clearInterval(time);
    await allCalls;
  };
  onTestFinished(rest);

  const crowd: Crowd = {
    rig,
    rest,
    tally: () => countOccurrences(statuses),
    calls: async (count) => {
      const enough = statuses.length + count;
      await until(`${count} more calls are answered`, async () => statuses.length >= enough || undefined);
    },
    spentTwice: () =>
      rig.provider
        .tokenLedger()
        .filter(({ presented }) => presented > 1)
        .map(({ token }) => token),
    storeErrors: async () => {
      const pages = await Promise.all(gateways.map(({ adminUrl }) => fetch(`${adminUrl}/metrics`)));
      const lines = (await Promise.all(pages.map((page) => page.text()))).join('\n');
      const counts = [...lines.matchAll(/^coatcheck_store_errors_total\{.*\} (\d+)$/gm)];
      return counts.reduce((sum, [, count]) => sum + Number(count), 0);
    },
    lost: () =>
      rig.provider.families
        .filter((family) => isOfPerson(family) && !family.alive)
        .map(({ grant }) => grant.subject),

    holdRefreshes: async (locks) => {
      const gate = rig.provider.faults.hold('token', 'after');
      await gate.waiting(2);
      await until('every lock is that of a refresh that is held', async () => {
        const held = rig.provider.requests.filter(({ endpoint, status }) => endpoint === 'token' && !status);
        return (await locks()).length === held.length || undefined;
      });
      return gate;
    },

    served: async () => {
      const sinceMs = Date.now();
      const families = rig.provider.families.filter(isOfPerson);
      const issued = families.map(({ refreshTokens }) => refreshTokens.length);
      await until('everybody is served at both gateways', async () => {
        const browsers = people.flatMap((person) => person.browsers);
        return browsers.every((browser) => (servedAtMs.get(browser) ?? 0) >= sinceMs) || undefined;
      });
      await until('everybody has had a token renewed', async () => {
        return (
          families.every(({ refreshTokens }, at) => refreshTokens.length > (issued[at] ?? 0)) || undefined
        );
      });
    },

    heard: async () => {
      for (const order of [gateways, gateways.toReversed()]) {
        await until('the end of a session is heard', async () => {
          const [here, there] = await signIn('messenger', order);
          const socket = await there.websocket('/socket/live');
          const { status } = await here.fetch('/auth/logout', { method: 'POST' });
          if (status !== 200) throw new Error(`the logout was answered by ${status}`);
          return (await socket.closed).code === 1008 || undefined;
        });
      }
    },
  };
  await crowd.served();
  return crowd;
}
