import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from '../../../testkit/gateway/gateway.ts';
import type { Approval, Approvals } from '../../../testkit/providers/approvals.ts';
import { startBank } from '../../../testkit/providers/bank.ts';
import { startCibaProvider } from '../../../testkit/providers/ciba.ts';
import type { EndpointServer } from '../../../testkit/providers/endpoint-server.ts';
import type { ProviderFake } from '../../../testkit/providers/provider-fake.ts';
import { ACCOUNTS, startVendorApi, type VendorApi } from '../../../testkit/providers/vendor-api.ts';
import { type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';
import { countOccurrences } from '../../../testkit/secrets/count-occurrences.ts';
import { requireToken } from '../../../testkit/upstream/behaviours.ts';
import { type Upstream, startUpstream } from '../../../testkit/upstream/upstream.ts';
import { createGuessingAttacker } from '../../../testkit/user-agent/guessing-attacker.ts';
import { type UserAgent, createUserAgent } from '../../../testkit/user-agent/user-agent.ts';

/** Networks of the user, each in a block of addresses of its own. A proxy in front of both replicas names them. */
const HOME = '192.0.2.1';
const HOTEL = '203.0.113.1';
const TRAIN = '198.51.100.1';

/** A test sends more than a hundred requests, which a busy machine takes its time for. */
const TIMEOUT_MS = 120_000;

let redis: RedisServer;
let upstream: Upstream;
/**
 * The clock of the gateways. It stands still unless a test advances it: a replica that has once rejected an attempt for a
 * reached limit rejects the next one too, however much time the test takes.
 */
let nowMs: number;
const clock = () => nowMs;
const opened: { close(): unknown }[] = [];

function open<Opened extends { close(): unknown }>(thing: Opened): Opened {
  opened.unshift(thing);
  return thing;
}

beforeEach(async () => {
  nowMs = Date.now();
  redis = open(await startRedis());
  upstream = open(await startUpstream());
});
afterEach(async () => {
  for (const thing of opened.splice(0)) await thing.close();
});

/** Limits that an attacker reaches with few attempts, and that have no room again for seconds. */
const limits = { attempts: 20, attemptsPerUser: 3, attemptsPerUserTotal: 10 };

/** The attempts that pass until each limit is reached: those of the configuration, and three for each block of addresses. */
const EVERY_LIMIT = {
  perNetwork: limits.attemptsPerUser,
  perBlock: limits.attemptsPerUserTotal + 3,
  beyond: [3, 3, 3, 3, 3],
  perAddress: limits.attempts,
};

/** Starts two replicas, and gives a way to open browsers at either. */
async function startReplicas(provider: ProviderFake) {
  upstream.respond(requireToken(provider.isAccessTokenActive));
  const config = { trustProxy: ['127.0.0.1'], rateLimit: limits, provider: { timeout: '1m' } };
  const options = { provider, upstream, store: redis.url, clock, config };
  const first = open(await startGateway(options));
  const second = open(await startGateway({ ...options, baseUrl: first.url }));
  const replicas: readonly [RunningGateway, RunningGateway] = [first, second];
  const browser = (replica: 0 | 1): UserAgent =>
    open(createUserAgent(first.url, { connect: { host: '127.0.0.1', port: replicas[replica].port }, clock }));
  return browser;
}

const from = (address: string) => ({ 'x-forwarded-for': address });
const post = (agent: UserAgent, path: string, body: object, address: string) =>
  agent.fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...from(address) },
    body: JSON.stringify(body),
  });

type Decoupled = ProviderFake & { approvals: Approvals; server: EndpointServer };

/**
 * Delays the response to each poll for the sign-in `own` until three intervals have passed and the other tab has asked the
 * gateway three times. Call `tabAnswered` for each response to a tab.
 */
function respondSlowly({ server }: Decoupled, own: Approval) {
  let answered = 0;
  let check = () => undefined as void;
  const polls = { underWay: 0, mostAtOnce: 0 };
  server.hold = async ({ path, body }) => {
    if (!path.endsWith('/token') || !body.includes(own.id)) return;
    polls.underWay += 1;
    polls.mostAtOnce = Math.max(polls.mostAtOnce, polls.underWay);
    const [startedAtMs, before] = [Date.now(), answered];
    await new Promise<void>((resolve) => {
      check = () => {
        if (Date.now() - startedAtMs > 3 * own.intervalMs && answered >= before + 3) resolve();
      };
    });
    polls.underWay -= 1;
  };
  const tabAnswered = () => {
    answered += 1;
    check();
  };
  return { polls, tabAnswered };
}

describe.each([
  ['OpenID CIBA', startCibaProvider],
  ['the decoupled endpoints of a bank', startBank],
] as const)(
  'a sign-in on another device by %s, with two replicas and a provider slower than the poll interval',
  (_kind, startProvider) => {
    it(
      'starts from a new network and belongs to its browser, although an attacker has used up every limit',
      async () => {
        const provider: Decoupled = open(await startProvider(Date.now));
        provider.approvals.intervalSeconds = 0.05;
        const browser = await startReplicas(provider);
        const begin = (agent: UserAgent, user: string, address: string) =>
          post(agent, '/auth/decoupled', { login_hint: user }, address);
        const attackers = [browser(0), browser(1)] as const;
        const attacker = createGuessingAttacker('alice', async (replica, user, address) => {
          const { status } = await begin(attackers[replica], user, address);
          expect([202, 429]).toContain(status);
          return status;
        });
        expect(await attacker.reachEveryLimit()).toEqual(EVERY_LIMIT);
        expect(await attacker.tryAgain()).toEqual([429, 429]);

        const tabs = [browser(0), browser(1)] as const;
        const begun = await begin(tabs[0], 'alice', HOTEL);
        expect(begun.status).toBe(202);
        tabs[1].setCookie(begun.setCookies[0] ?? '');
        const own = provider.approvals.all.at(-1);
        if (own === undefined) throw new Error('nobody was asked');
        const statuses: number[] = [];
        const { polls, tabAnswered } = respondSlowly(provider, own);

        let isOver = false;
        const gained: number[] = [];
        const attack = async (replica: 0 | 1) => {
          while (!isOver) {
            const guess = `/auth/decoupled?auth_req_id=${own.id}&code=${own.id}`;
            gained.push((await attackers[replica].fetch(guess, { headers: from('198.18.0.1') })).status);
            gained.push(...(await attacker.tryAgain()));
          }
        };
        const attacks = ([0, 1] as const).map(attack);

        // A tab ends with 200, or with 410 once the other one has the session.
        const poll = async (tab: UserAgent) => {
          for (let status = 202; status === 202; statuses.push(status)) {
            ({ status } = await tab.fetch('/auth/decoupled', { headers: from(HOTEL) }));
            tabAnswered();
            if (own.askedAtMs.length > 1 && own.state === 'pending') own.state = 'approved';
          }
        };
        await Promise.all(tabs.map(poll));
        isOver = true;
        await Promise.all(attacks);

        expect(countOccurrences(statuses)).toEqual({ 202: statuses.length - 2, 200: 1, 410: 1 });
        expect(own.state).toBe('used');
        expect(polls.mostAtOnce).toBe(1);
        expect(provider.approvals.tooEarly()).toBe(0);
        expect(provider.tokenLedger().map(({ familyAlive }) => familyAlive)).toEqual([true]);
        expect(gained).not.toContain(200);
        for (const browserOfAttacker of attackers) {
          const session = await browserOfAttacker.fetch('/auth/session');
          expect(session.json()).toMatchObject({ authenticated: false });
          expect(browserOfAttacker.received()).not.toContain(own.id);
        }
        const signedIn = await Promise.all(
          tabs.map((tab) => tab.fetch('/auth/session', { headers: from(HOTEL) })),
        );
        expect(signedIn.filter((response) => response.text().includes('"authenticated":true'))).toHaveLength(
          1,
        );

        // From another new network: the three attempts of its block, because the limit of the name is still used up.
        const prompts: number[] = [];
        for (let n = 0; n < 4; n += 1) prompts.push((await begin(browser(1), 'alice', TRAIN)).status);
        expect(prompts).toEqual([202, 202, 202, 429]);
      },
      TIMEOUT_MS,
    );
  },
);

describe("a vendor's API, with two replicas and a slow vendor", () => {
  const LIFE_SECONDS = 300;
  let vendor: VendorApi;
  const signIn = (agent: UserAgent, user: string, password: string | undefined, address: string) =>
    post(agent, '/auth/login', { username: user, password }, address);

  beforeEach(async () => {
    vendor = open(await startVendorApi(clock));
    vendor.lifeSeconds = LIFE_SECONDS;
  });

  it(
    'signs the user in from any network and spends each refresh token once, although an attacker has used up every limit',
    async () => {
      const browser = await startReplicas(vendor);
      const attackers = [browser(0), browser(1)] as const;
      const attacker = createGuessingAttacker('alice', async (replica, user, address) => {
        const { status } = await signIn(attackers[replica], user, 'canary-guess', address);
        expect([401, 429]).toContain(status);
        return status;
      });
      /** The vendor responds to requests of this kind only after both replicas have rejected the attacker meanwhile. */
      const respondAfterRejections = (isHeld: (request: { path: string; body: string }) => boolean) => {
        const rejections: number[][] = [];
        vendor.server.hold = async (request) => {
          if (isHeld(request)) rejections.push(await attacker.tryAgain());
        };
        return rejections;
      };

      const tabs = [browser(0), browser(1)] as const;
      const first = await signIn(tabs[0], 'alice', ACCOUNTS['alice'], HOME);
      expect(first.status).toBe(204);
      for (const cookie of first.setCookies) tabs[1].setCookie(cookie);
      expect(await attacker.reachEveryLimit()).toEqual(EVERY_LIMIT);

      for (let round = 0; round < 3; round += 1) {
        nowMs += LIFE_SECONDS * 1000;
        await attacker.reachLimitsOfName();
        const rejections = respondAfterRejections(({ path }) => path === '/auth/refresh');
        const calls = tabs.flatMap((tab) =>
          [0, 1, 2].map(async () => (await tab.fetch('/api/orders', { headers: from(HOME) })).status),
        );
        expect(countOccurrences(await Promise.all(calls))).toEqual({ 200: 6 });
        expect(rejections).toEqual([[429, 429]]);
      }
      expect(vendor.tokenCalls({ grant: 'refresh_token' })).toBe(3);
      for (const family of vendor.tokenLedger()) expect(family.familyAlive).toBe(true);
      for (const { cookies } of attackers) expect(cookies.lines).toEqual([]);

      // From a new network, mistyped once; the vendor checks the password while the attacker is rejected.
      const isOfUser = ({ body }: { body: string }) => !body.includes('canary-guess');
      const rejections = respondAfterRejections(isOfUser);
      const guest = browser(1);
      expect((await signIn(guest, 'alice', 'mistyped', HOTEL)).status).toBe(401);
      expect((await signIn(guest, 'alice', ACCOUNTS['alice'], HOTEL)).status).toBe(204);
      expect((await signIn(browser(0), 'alice', ACCOUNTS['alice'], HOME)).status).toBe(204);
      // From another new network: the three attempts of its block, because the limit of the name is still used up.
      const mistyped: number[] = [];
      for (let n = 0; n < 4; n += 1)
        mistyped.push((await signIn(browser(0), 'alice', 'mistyped', TRAIN)).status);
      expect(mistyped).toEqual([401, 401, 401, 429]);
      expect(rejections).toEqual(Array(6).fill([429, 429]));
    },
    TIMEOUT_MS,
  );
});
