import { afterEach, beforeAll, afterAll, beforeEach, describe, expect, it } from 'vitest';
import { countOccurrences } from '../../../testkit/secrets/count-occurrences.ts';
import { ACCOUNTS } from '../../../testkit/providers/vendor-api.ts';
import {
  type VendorFixture,
  openVendorFixture,
  postLogin,
} from '../../../testkit/providers/vendor-fixture.ts';
import { startRedis, type RedisServer } from '../../../testkit/redis/redis-server.ts';

const HOME = '198.51.100.7';
const ATTACKER = '203.0.113.66';
const RIGHT = ACCOUNTS['alice'] ?? '';

let redis: RedisServer;
let fixture: VendorFixture;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.close());
beforeEach(() => redis.command('FLUSHALL'));
afterEach(() => fixture.close());

const open = async (store: string, rateLimit: Record<string, number> = {}) => {
  fixture = await openVendorFixture({ store, config: { trustProxy: ['127.0.0.1'], rateLimit } });
};
const attempt = async (from: string, password: string, username = 'alice') => {
  const browser = fixture.browser();
  return (await postLogin(browser, { username, password }, { 'x-forwarded-for': from })).status;
};
const attempts = async (times: number, from: (time: number) => string, password = 'wrong') => {
  const statuses: number[] = [];
  for (let time = 0; time < times; time += 1) statuses.push(await attempt(from(time), password));
  return countOccurrences(statuses);
};
/** Another address of one attacker each time, all in one block of addresses. */
const botnet = (time: number) => `203.0.113.${time}`;
/** Another block of addresses each time. */
const wideBotnet = (time: number) => `198.18.${time}.1`;

describe.each([
  ['in memory', () => 'memory:'],
  ['in Redis', () => redis.url],
])('password attempts counted %s', (_where, store) => {
  it('lets a user sign in while somebody elsewhere guesses their password', async () => {
    await open(store(), { attemptsPerUser: 3 });
    expect(await attempts(8, () => ATTACKER)).toEqual({ 401: 3, 429: 5 });
    expect(await attempt(HOME, RIGHT)).toBe(204);
  });

  it('rejects an address that has guessed too often, also with the right password', async () => {
    await open(store(), { attemptsPerUser: 3 });
    await attempts(3, () => ATTACKER);
    expect(await attempt(ATTACKER, RIGHT)).toBe(429);
    expect(await attempt(ATTACKER, ACCOUNTS['bob'] ?? '', 'bob')).toBe(204);
  });

  it('counts only failures: a user may sign in any number of times', async () => {
    await open(store(), { attemptsPerUser: 3, attemptsPerUserTotal: 3 });
    expect(await attempts(12, () => HOME, RIGHT)).toEqual({ 204: 12 });
    expect(await attempts(4, () => HOME)).toEqual({ 401: 3, 429: 1 });
  });

  it('does not count an attempt that the provider did not evaluate', async () => {
    await open(store(), { attemptsPerUser: 3 });
    fixture.vendor.server.fault = () => ({ status: 500, body: 'no' });
    expect(await attempts(6, () => HOME)).toEqual({ 503: 6 });
    fixture.vendor.server.fault = () => undefined;
    expect(await attempt(HOME, RIGHT)).toBe(204);
  });

  it('limits the guesses of many addresses for one user name', async () => {
    await open(store(), { attemptsPerUser: 2, attemptsPerUserTotal: 4 });
    expect(await attempts(12, botnet)).toEqual({ 401: 4 + 3, 429: 5 });
    expect(fixture.vendor.tokenCalls({ grant: 'password' })).toBe(4 + 3);
  });

  it('lets a user sign in where they have signed in before while many addresses guess their password', async () => {
    await open(store(), { attemptsPerUser: 4, attemptsPerUserTotal: 4 });
    expect(await attempt(HOME, RIGHT)).toBe(204);
    fixture.advance(60_000);
    expect(await attempts(12, botnet)).toEqual({ 401: 4 + 3, 429: 5 });
    expect(await attempt(HOME, RIGHT)).toBe(204);
    // More than the three attempts of a block of addresses where the user is new.
    expect(await attempts(5, () => HOME)).toEqual({ 401: 4, 429: 1 });
  });

  it('lets a user sign in from a new network while many networks guess their password', async () => {
    await open(store(), { attemptsPerUser: 2, attemptsPerUserTotal: 4 });
    await attempts(12, botnet);
    await attempts(6, wideBotnet);
    expect(await attempt(HOME, 'mistyped')).toBe(401);
    expect(await attempt(HOME, RIGHT)).toBe(204);
  });

  it.each([
    ['IPv4', (time: number) => `198.18.${time % 5}.${time}`],
    ['IPv6', (time: number) => `2001:db8:${time % 5}:${time}::1`],
  ])(
    'grants each block of %s addresses three guesses beyond the limit of a user name',
    async (_, address) => {
      await open(store(), { attemptsPerUser: 2, attemptsPerUserTotal: 4 });
      await attempts(12, botnet);
      expect(await attempts(40, address)).toEqual({ 401: 5 * 3, 429: 40 - 5 * 3 });
    },
  );

  it('grants no more attempts to guesses that are sent at once', async () => {
    await open(store(), { attemptsPerUser: 4 });
    const statuses = await Promise.all(Array.from({ length: 20 }, () => attempt(ATTACKER, 'wrong')));
    expect(countOccurrences(statuses)).toEqual({ 401: 4, 429: 16 });
  });

  it('counts the spellings of one user name together', async () => {
    await open(store(), { attemptsPerUser: 3 });
    const spellings = [
      'alice',
      'ALICE',
      ' Alice ',
      'ａｌｉｃｅ',
      'a\u200Blice',
      '\u202Ealice',
      'alice\u0000',
      'álice',
    ];
    const statuses: number[] = [];
    for (const spelling of spellings) statuses.push(await attempt(ATTACKER, 'wrong', spelling));
    expect(countOccurrences(statuses)).toEqual({ 401: 3, 429: 5 });
  });
});
