import { expect, it } from 'vitest';
import { parseConfig } from '../../../../src/provider/read-config.ts';
import { minimal, parseRoute, problemsWith, routeProblems } from '../sample.ts';

it('rateLimit limits the unauthenticated endpoints by default, and no API', () => {
  expect(parseConfig(minimal).rateLimit).toEqual({
    login: 1_200,
    callback: 1_200,
    attempts: 60,
    attemptsPerUser: 10,
    attemptsPerUserTotal: 100,
    backchannelLogout: 6_000,
    sessions: 120,
    admin: 1_200,
  });
  expect(parseRoute({}).maxPerMinute).toBe(0);
});

it('rateLimit accepts other limits, and 0 for none', () => {
  const rateLimit = {
    login: 0,
    callback: '60',
    attempts: 30,
    attemptsPerUser: 5,
    attemptsPerUserTotal: 50,
    backchannelLogout: 6_000,
    sessions: 120,
    admin: 600,
  };
  expect(parseConfig({ ...minimal, rateLimit }).rateLimit).toEqual({ ...rateLimit, callback: 60 });
  expect(parseRoute({ maxPerMinute: 600 }).maxPerMinute).toBe(600);
});

it('rateLimit rejects limits that cannot be counted', () => {
  expect(problemsWith({ rateLimit: { login: -1, callback: 6_001 } })).toEqual([
    'rateLimit.login: expected a whole number from 0 to 6000, got -1',
    'rateLimit.callback: expected a whole number from 0 to 6000, got 6001',
  ]);
  expect(routeProblems({ maxPerMinute: 1.5 })).toEqual([
    'maxPerMinute: expected a whole number from 0 to 6000, got 1.5',
  ]);
});
