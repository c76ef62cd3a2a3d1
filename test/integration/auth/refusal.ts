import { expect } from 'vitest';
import type { RedisServer } from '../../../testkit/redis-server.ts';
import type { AgentResponse } from '../../../testkit/user-agent/transport.ts';
import type { UserAgent } from '../../../testkit/user-agent.ts';

/** Expects a refused login, with a reason for the developer, that left nothing behind: no session and no cookie. */
export async function expectRefusal(
  answer: AgentResponse,
  reason: RegExp,
  { agent, redis }: { agent: UserAgent; redis: RedisServer },
): Promise<void> {
  expect(answer.status).toBe(400);
  expect(answer.header('content-type')).toBe('application/problem+json');
  expect(answer.header('cache-control')).toBe('no-store');
  expect(answer.json()).toMatchObject({
    status: 400,
    code: 'login_failed',
    detail: expect.any(String),
    reason: expect.stringMatching(reason),
  });
  expect(agent.cookies.all()).toEqual([]);
  expect(await redis.command('KEYS', 'coatcheck:session:*')).toEqual([]);
}
