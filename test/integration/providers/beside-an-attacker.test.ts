import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RunningGateway, startGateway } from '../../../testkit/gateway/gateway.ts';
import type { Approvals } from '../../../testkit/providers/approvals.ts';
import { startBank } from '../../../testkit/providers/bank.ts';
import { startCibaProvider } from '../../../testkit/providers/ciba.ts';
import type { EndpointServer } from '../../../testkit/providers/endpoint-server.ts';
import type { ProviderFake } from '../../../testkit/providers/provider-fake.ts';
import { ACCOUNTS, startVendorApi, type VendorApi } from '../../../testkit/providers/vendor-api.ts';
import { type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';
import { countOccurrences } from '../../../testkit/secrets/count-occurrences.ts';
import { requireToken } from '../../../testkit/upstream/behaviours.ts';
import { type Upstream, startUpstream } from '../../../testkit/upstream/upstream.ts';
import { type UserAgent, createUserAgent } from '../../../testkit/user-agent/user-agent.ts';

/** The network of the person, and networks of the attacker. A proxy in front of both replicas names them. */
const PERSON = '192.0.2.1';
const attackerAddress = (n: number) => `198.51.${100 + (n % 100)}.1`;

let redis: RedisServer;
let upstream: Upstream;
const opened: { close(): unknown }[] = [];

function open<Opened extends { close(): unknown }>(thing: Opened): Opened {
  opened.unshift(thing);
  return thing;
}

beforeEach(async () => {
  redis = open(await startRedis());
  upstream = open(await startUpstream());
});
afterEach(async () => {
  for (const thing of opened.splice(0)) await thing.close();
});

/** Starts two replicas, and gives a way to open browsers at either. */
async function startReplicas(provider: ProviderFake, config: Record<string, unknown>, clock: () => number) {
  upstream.respond(requireToken(provider.isAccessTokenActive));
  const options = { provider, upstream, store: redis.url, clock };
  const settings = { config: { ...config, trustProxy: ['127.0.0.1'] } };
  const first = open(await startGateway({ ...options, ...settings }));
  const second = open(await startGateway({ ...options, ...settings, baseUrl: first.url }));
  const replicas: readonly [RunningGateway, RunningGateway] = [first, second];
  const browser = (replica: 0 | 1): UserAgent =>
    open(createUserAgent(first.url, { connect: { host: '127.0.0.1', port: replicas[replica].port }, clock }));
  return { browser };
}

const from = (address: string) => ({ 'x-forwarded-for': address });
const post = (agent: UserAgent, path: string, body: object, address: string) =>
  agent.fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...from(address) },
    body: JSON.stringify(body),
  });

/** Every response of the provider takes this long, in milliseconds: several polls and calls are under way at once. */
const SLOW_MS = 150;
const beSlow = (server: EndpointServer) => (server.hold = () => sleep(SLOW_MS));

type Decoupled = ProviderFake & { approvals: Approvals; server: EndpointServer };

describe.each([
  ['OpenID CIBA', startCibaProvider],
  ['the decoupled endpoints of a bank', startBank],
] as const)(
  'a sign-in on another device by %s, with two replicas and a slow provider',
  (_kind, startProvider) => {
    it('belongs to the browser that began it, although an attacker asks for the same user', async () => {
      const provider: Decoupled = open(await startProvider(Date.now));
      provider.approvals.intervalSeconds = 0.3;
      beSlow(provider.server);
      const { browser } = await startReplicas(provider, {}, Date.now);
      const tabs = [browser(0), browser(1)] as const;
      const begun = await post(tabs[0], '/auth/decoupled', { login_hint: 'alice' }, PERSON);
      expect(begun.status).toBe(202);
      tabs[1].setCookie(begun.setCookies[0] ?? '');
      const own = provider.approvals.all.at(-1);
      if (own === undefined) throw new Error('nobody was asked');

      const attackers = [browser(0), browser(1)] as const;
      let attempts = 0;
      let isOver = false;
      const gained: number[] = [];
      const attack = async (attacker: UserAgent) => {
        while (!isOver) {
          const address = attackerAddress((attempts += 1));
          await post(attacker, '/auth/decoupled', { login_hint: 'alice' }, address);
          const guess = await attacker.fetch(`/auth/decoupled?auth_req_id=${own.id}&code=${own.id}`, {
            headers: from(address),
          });
          gained.push(guess.status);
        }
      };
      const attacks = attackers.map(attack);

      // A tab ends with 200, or with 410 once the other one has the session.
      const statuses: number[] = [];
      const poll = async (tab: UserAgent) => {
        for (let status = 202; status === 202; statuses.push(status)) {
          await sleep(10);
          ({ status } = await tab.fetch('/auth/decoupled', { headers: from(PERSON) }));
          if (own.askedAtMs.length > 1 && own.state === 'pending') own.state = 'approved';
        }
      };
      await Promise.all(tabs.map(poll));
      isOver = true;
      await Promise.all(attacks);

      expect(countOccurrences(statuses)).toEqual({ 202: statuses.length - 2, 200: 1, 410: 1 });
      expect(own.state).toBe('used');
      expect(provider.approvals.tooEarly()).toBe(0);
      expect(provider.tokenLedger().map(({ familyAlive }) => familyAlive)).toEqual([true]);
      expect(gained).not.toContain(200);
      for (const attacker of attackers) {
        const session = await attacker.fetch('/auth/session', { headers: from(attackerAddress(0)) });
        expect(session.json()).toMatchObject({ authenticated: false });
        expect(attacker.received()).not.toContain(own.id);
      }
      const signedIn = await Promise.all(
        tabs.map((tab) => tab.fetch('/auth/session', { headers: from(PERSON) })),
      );
      expect(signedIn.filter((response) => response.text().includes('"authenticated":true'))).toHaveLength(1);
    });
  },
);

describe("a vendor's API, with two replicas and a slow vendor", () => {
  let nowMs = Date.now();
  const clock = () => nowMs;
  const LIFE_SECONDS = 300;
  let vendor: VendorApi;
  const signIn = (agent: UserAgent, password: string | undefined, address: string) =>
    post(agent, '/auth/login', { username: 'alice', password }, address);

  beforeEach(async () => {
    vendor = open(await startVendorApi(clock));
    vendor.lifeSeconds = LIFE_SECONDS;
    beSlow(vendor.server);
  });

  it('signs the user in and spends each refresh token once, although an attacker guesses passwords', async () => {
    const { browser } = await startReplicas(vendor, {}, clock);
    const tabs = [browser(0), browser(1)] as const;
    const first = await signIn(tabs[0], ACCOUNTS['alice'], PERSON);
    expect(first.status).toBe(204);
    for (const cookie of first.setCookies) tabs[1].setCookie(cookie);

    const attackers = [browser(0), browser(1)] as const;
    const refused: number[] = [];
    for (let round = 0; round < 4; round += 1) {
      nowMs += LIFE_SECONDS * 1000;
      const guesses = attackers.flatMap((attacker, side) =>
        [0, 1, 2, 3, 4].map(async (n) => {
          const address = attackerAddress(round * 10 + side * 5 + n);
          refused.push((await signIn(attacker, 'canary-guess', address)).status);
        }),
      );
      const calls = tabs.flatMap((tab) =>
        [0, 1, 2].map(async () => (await tab.fetch('/api/orders', { headers: from(PERSON) })).status),
      );
      const [statuses] = await Promise.all([Promise.all(calls), Promise.all(guesses)]);
      expect(countOccurrences(statuses)).toEqual({ 200: 6 });
    }

    expect(refused).toHaveLength(40);
    expect(refused.every((status) => status === 401 || status === 429)).toBe(true);
    expect(refused).toContain(401);
    expect(vendor.tokenCalls({ grant: 'refresh_token' })).toBe(4);
    for (const family of vendor.tokenLedger()) expect(family.familyAlive).toBe(true);
    for (const attacker of attackers) expect(attacker.cookies.lines).toEqual([]);
    // The attacker has not locked the user out.
    expect((await signIn(browser(1), ACCOUNTS['alice'], PERSON)).status).toBe(204);
  });
});
