import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { isLong } from '../../../testkit/seeded-random.ts';
import { type RedisServer, startRedis } from '../../../testkit/redis/redis-server.ts';
import {
  API,
  BILLING,
  LIFE,
  type MultiAudienceSetup,
  ORDERS,
  openMultiAudienceSetup,
} from './multi-audience-setup.ts';

const PEOPLE = isLong ? 500 : 100;
const CALLS = isLong ? 100_000 : 5_000;
const PATIENCE_MS = isLong ? 900_000 : 60_000;
/** The connections to each gateway: fewer than users, so that each connection carries the requests of many. */
const CONNECTIONS = 50;
const PATHS = [API.path, ORDERS.path, BILLING.path] as const;

type Person = { readonly name: string; readonly cookie: string };

let redis: RedisServer;
let setup: MultiAudienceSetup;
let ports: readonly number[];
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
const people: Person[] = [];
/** Responses for another user than the caller. */
const mixUps: string[] = [];

beforeAll(async () => {
  redis = await startRedis();
  setup = await openMultiAudienceSetup(redis.url);
  ports = [setup.testGateway.gateway.port, (await setup.testGateway.replica()).port];
  for (let at = 0; at < PEOPLE; at += 1) {
    const browser = setup.testGateway.browser();
    await browser.signIn('/', { loginHint: `person-${at}` });
    people.push({ name: `person-${at}`, cookie: `coatcheck=${browser.cookies.get('coatcheck')?.value}` });
    browser.close();
  }
}, PATIENCE_MS);

beforeEach(() => {
  // The gateway closes a connection that was idle for long, perhaps while a request is being sent on it.
  agent.destroy();
  mixUps.splice(0);
  setup.strays.splice(0);
});

afterAll(async () => {
  agent.destroy();
  await setup.close();
  await redis.close();
});

/** Calls the API of a route at one of the gateways, and records a response that does not belong to this call. */
async function call({ name, cookie }: Person, path: string, at: number, by = agent): Promise<void> {
  const headers = {
    host: new URL(setup.testGateway.gateway.url).host,
    cookie,
    'sec-fetch-site': 'same-origin',
  };
  const target = `${path}/${name}`;
  const outgoing = request({ port: ports[at % ports.length], agent: by, path: target, headers });
  const responded = once(outgoing, 'response');
  outgoing.end();
  const [incoming] = await responded;
  const body = await text(incoming);
  if (body !== JSON.stringify({ target, subject: name })) {
    mixUps.push(`${target}: ${incoming.statusCode} ${body}`);
  }
}

/** All users call these routes at both gateways at once. */
async function callAtOnce(...paths: readonly string[]): Promise<void> {
  await Promise.all(
    people.flatMap((person) => paths.flatMap((path) => ports.map((_port, at) => call(person, path, at)))),
  );
}

/** Ends the access tokens of every nth user early, for all audiences. */
function revokeTokensOf(every: number, offset = 0): void {
  for (const { grant, accessTokens } of setup.provider.families) {
    const isChosen = (Number(grant.subject.split('-')[1]) + offset) % every === 0;
    if (isChosen)
      for (const { token } of accessTokens.slice(-PATHS.length)) setup.provider.revokeAccessToken(token);
  }
}

const refreshes = () => setup.provider.tokenCalls({ grant: 'refresh_token' });

describe(`the access token of an API call, with ${PEOPLE} users at two gateways (standards: G25)`, () => {
  it('belongs to the caller when all tokens expire and all call at once (CVE-2025-67490)', async () => {
    setup.testGateway.advance(LIFE);
    await callAtOnce(API.path);
    expect(mixUps).toEqual([]);
    expect(refreshes()).toBe(PEOPLE);
  });

  it('belongs to the caller and the route when all routes are called at once (CVE-2025-26620)', async () => {
    setup.testGateway.advance(LIFE);
    await callAtOnce(...PATHS);
    expect(mixUps).toEqual([]);
    expect(setup.strays).toEqual([]);
    expect(refreshes()).toBe(4 * PEOPLE);
  });

  it('belongs to the caller on concurrent replays (CVE-2026-40155)', async () => {
    revokeTokensOf(2);
    await callAtOnce(API.path, ORDERS.path);
    expect(mixUps).toEqual([]);
    expect(setup.strays).toEqual([]);
    expect(refreshes()).toBe(5 * PEOPLE);
  });

  it('belongs to the caller on a connection that carried tokens of other users (CVE-2024-51987)', async () => {
    const single = new Agent({ keepAlive: true, maxSockets: 1 });
    const callInSequence = async () => {
      for (const [at, person] of people.entries()) await call(person, BILLING.path, at, single);
    };
    await callInSequence();
    setup.testGateway.advance(LIFE);
    await callInSequence();
    revokeTokensOf(3);
    await callInSequence();
    single.destroy();
    expect(mixUps).toEqual([]);
    expect(setup.strays).toEqual([]);
  });

  it(
    `belongs to the caller on each of ${CALLS} calls while tokens expire and are revoked`,
    async () => {
      const before = refreshes();
      let made = 0;
      const interfere = () => {
        if (made % (CALLS / 4) === 0) setup.testGateway.advance(LIFE);
        if (made % (CALLS / 20) === 0) revokeTokensOf(7, made / (CALLS / 20));
        // A long run would fill the memory with its records.
        for (const { requests } of [setup.testGateway.upstream, setup.orders, setup.billing])
          requests.splice(0);
      };
      const keepCalling = async (person: Person, at: number) => {
        for (let round = 0; round < CALLS / PEOPLE; round += 1) {
          await call(person, PATHS[(at + round) % PATHS.length] ?? API.path, round);
          made += 1;
          if (made % 50 === 0) interfere();
        }
      };
      await Promise.all(people.map(keepCalling));
      expect(made).toBe(CALLS);
      expect(refreshes() - before).toBeGreaterThan(4 * PEOPLE);
      expect(mixUps).toEqual([]);
      expect(setup.strays).toEqual([]);
    },
    PATIENCE_MS,
  );

  it('ends no session and causes no second use of a refresh token in these tests', () => {
    const { families } = setup.provider;
    expect(families.filter(({ alive, reuses }) => !alive || reuses > 0)).toEqual([]);
    expect(setup.provider.tokenLedger().filter(({ presented }) => presented > 1)).toEqual([]);
  });
});
