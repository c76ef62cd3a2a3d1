import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished } from 'vitest';
import { startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import type { Family } from '../../../testkit/fake-provider/tokens/families.ts';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import { countOccurrences } from '../../../testkit/secrets/count-occurrences.ts';
import { until } from '../../../testkit/until.ts';
import type { UserAgent } from '../../../testkit/user-agent/user-agent.ts';

/** Signed-in users who call the API continuously, at two gateways in turn, while a fast clock makes their tokens expire. */
export type ContinuousLoad = {
  readonly testGateway: TestGateway;
  /** The number of responses so far, by status. */
  statusCounts(): Record<string, number>;
  /** Resolves after `count` more responses. */
  waitForCalls(count: number): Promise<void>;
  /**
   * Holds the provider's responses to refreshes. Resolves once some are held and no other refresh is in progress, so that no
   * new token is on its way to the store.
   */
  holdRefreshes(locks: () => Promise<string[]>): Promise<{ release(): void }>;
  /** Resolves once both gateways have served every user, and every user's token has been refreshed, since this call. */
  waitUntilServed(): Promise<void>;
  /** Resolves once each gateway has received a message about a session that ended at the other one. */
  waitForMessages(): Promise<void>;
  /** The refresh tokens that were presented to the provider more than once. */
  reusedRefreshTokens(): string[];
  /** The names of the users whose grant at the provider has ended. */
  lostGrants(): string[];
  /** The number of failed store operations at both gateways. */
  storeErrors(): Promise<number>;
  /** Stops the calls and the clock; the gateways stay open. */
  stop(): Promise<void>;
};

/** The lifetime of the access tokens, in seconds. Each step of the clock is a tenth of it. */
const TOKEN_LIFETIME = 300;
const STEP_MS = 200;
/** No cache entry expires, and no session reaches a limit. */
const CONFIG = {
  session: { cache: { maxAge: '1h' }, idleTimeout: '300d', absoluteTimeout: '365d' },
};

/** Signs users in at two gateways on one store and starts their calls. Resolves once all of them have been served. */
export async function startContinuousLoad(store: string, size = 8): Promise<ContinuousLoad> {
  const testGateway = await openTestGatewayForTest({
    store,
    config: CONFIG,
    provider: await startFakeProvider({ accessTokenLifetime: TOKEN_LIFETIME }),
  });
  // The clock of the gateways runs ahead of the provider's, which is the machine's.
  testGateway.provider.patchIdToken = (claims) => {
    const iat = Math.floor(testGateway.now() / 1000);
    return { ...claims, iat, exp: iat + TOKEN_LIFETIME };
  };
  const gateways = [testGateway.gateway, await testGateway.replica()];
  /** Signs a user in at the first of two gateways; returns a browser at each. */
  const signIn = async (name: string, [first = testGateway.gateway, second = first] = gateways) => {
    const browser = testGateway.browser({ at: first });
    await browser.signIn('/', { loginHint: name });
    return [browser, testGateway.browser({ like: browser, at: second })] as const;
  };
  const people: { name: string; browsers: readonly UserAgent[] }[] = [];
  for (let at = 0; at < size; at += 1)
    people.push({ name: `person-${at}`, browsers: await signIn(`person-${at}`) });

  const isOfPerson = ({ grant }: Family) => people.some(({ name }) => name === grant.subject);
  const statuses: number[] = [];
  /** When the last successful call of each browser began. */
  const servedAtMs = new Map<UserAgent, number>();
  let isStopped = false;
  const keepCalling = async ({ name, browsers }: (typeof people)[number]) => {
    while (!isStopped) {
      for (const browser of browsers) {
        const beganAtMs = Date.now();
        const { status } = await browser.fetch(`/api/${name}`);
        statuses.push(status);
        if (status === 200) servedAtMs.set(browser, beganAtMs);
        await sleep(10);
      }
    }
  };
  const callers = Promise.all(people.map(keepCalling));
  const clockTimer = setInterval(() => testGateway.advance((TOKEN_LIFETIME * 1000) / 10), STEP_MS);
  const stop = async () => {
    isStopped = true;
    clearInterval(clockTimer);
    await callers;
  };
  onTestFinished(stop);

  const load: ContinuousLoad = {
    testGateway,
    stop,
    statusCounts: () => countOccurrences(statuses),
    waitForCalls: async (count) => {
      const target = statuses.length + count;
      await until(`${count} more calls have a response`, async () => statuses.length >= target || undefined);
    },
    reusedRefreshTokens: () =>
      testGateway.provider
        .tokenLedger()
        .filter(({ presented }) => presented > 1)
        .map(({ token }) => token),
    storeErrors: async () => {
      const pages = await Promise.all(gateways.map(({ adminUrl }) => fetch(`${adminUrl}/metrics`)));
      const lines = (await Promise.all(pages.map((page) => page.text()))).join('\n');
      const counts = [...lines.matchAll(/^coatcheck_store_errors_total\{.*\} (\d+)$/gm)];
      return counts.reduce((sum, [, count]) => sum + Number(count), 0);
    },
    lostGrants: () =>
      testGateway.provider.families
        .filter((family) => isOfPerson(family) && !family.alive)
        .map(({ grant }) => grant.subject),

    holdRefreshes: async (locks) => {
      const held = testGateway.provider.faults.hold('token', 'after');
      await held.waiting(2);
      await until('every lock is that of a refresh that is held', async () => {
        const pending = testGateway.provider.requests.filter(
          ({ endpoint, status }) => endpoint === 'token' && !status,
        );
        return (await locks()).length === pending.length || undefined;
      });
      return held;
    },

    waitUntilServed: async () => {
      const calledAtMs = Date.now();
      const families = testGateway.provider.families.filter(isOfPerson);
      const issued = families.map(({ refreshTokens }) => refreshTokens.length);
      await until('everybody is served at both gateways', async () => {
        const browsers = people.flatMap((person) => person.browsers);
        return browsers.every((browser) => (servedAtMs.get(browser) ?? 0) >= calledAtMs) || undefined;
      });
      await until('everybody has had a token refreshed', async () => {
        return (
          families.every(({ refreshTokens }, at) => refreshTokens.length > (issued[at] ?? 0)) || undefined
        );
      });
    },

    waitForMessages: async () => {
      for (const order of [gateways, gateways.toReversed()]) {
        await until('the end of a session is heard', async () => {
          const [here, there] = await signIn('messenger', order);
          const socket = await there.websocket('/socket/live');
          const { status } = await here.fetch('/auth/logout', { method: 'POST' });
          if (status !== 200) throw new Error(`the logout got status ${status}`);
          return (await socket.closed).code === 1008 || undefined;
        });
      }
    },
  };
  await load.waitUntilServed();
  return load;
}

/** Expects that a failure of Redis was noticed, that every call got its response or a 503, and that no session was lost. */
export async function expectNothingLost(load: ContinuousLoad, locks: () => Promise<string[]>): Promise<void> {
  expect(['200', '503']).toEqual(expect.arrayContaining(Object.keys(load.statusCounts())));
  expect(await load.storeErrors()).toBeGreaterThan(0);
  expect(load.reusedRefreshTokens()).toEqual([]);
  expect(load.lostGrants()).toEqual([]);
  // A lock whose release the failed primary did not receive expires at its TTL.
  await expect.poll(locks, { timeout: 45_000 }).toEqual([]);
}
