import { expect } from 'vitest';
import type { RedisServer } from '../../../testkit/redis/redis-server.ts';
import type { AgentResponse } from '../../../testkit/user-agent/transport.ts';
import type { UserAgent } from '../../../testkit/user-agent/user-agent.ts';

/** Expects a rejected login with a reason for developers, and no session or cookie. */
export async function expectRefusal(
  response: AgentResponse,
  reason: RegExp,
  { agent, redis }: { agent: UserAgent; redis: RedisServer },
): Promise<void> {
  expect(response.status).toBe(400);
  expect(response.header('content-type')).toBe('application/problem+json');
  expect(response.header('cache-control')).toBe('no-store');
  expect(response.json()).toMatchObject({
    status: 400,
    code: 'login_failed',
    detail: expect.any(String),
    reason: expect.stringMatching(reason),
  });
  expect(agent.cookies.all()).toEqual([]);
  expect(await redis.command('KEYS', 'coatcheck:session:*')).toEqual([]);
}
