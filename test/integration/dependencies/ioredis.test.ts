import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createLogger } from '../../../src/observability/log.ts';
import { startRedis, type RedisServer } from '../../../testkit/redis/redis-server.ts';

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.rootUrl);
});
afterAll(async () => {
  redis.disconnect();
  await server.close();
});

/** The error of a command that the server refuses, and what the gateway's log writes of it. */
async function refused(command: Promise<unknown>): Promise<{ error: Error; line: string }> {
  const error: unknown = await command.catch((thrown: unknown) => thrown);
  if (!(error instanceof Error && error.name === 'ReplyError'))
    throw new Error('the command was not refused', { cause: error });
  let line = '';
  const log = createLogger({ level: 'info', format: 'json' }, { write: (text) => (line += text) });
  log.error({ err: error }, 'the store failed');
  return { error, line };
}

it('ioredis 6 attaches the arguments of a rejected command to its error and the log contains none of them (E23)', async () => {
  await redis.set('text', 'x');
  const { error, line } = await refused(redis.hset('text', 'e', 'canary-sealed-session'));
  expect(error).toMatchObject({ command: { name: 'hset', args: ['text', 'e', 'canary-sealed-session'] } });
  expect(line).toContain('WRONGTYPE');
  expect(line).not.toMatch(/canary|hset/);
});

it('Redis repeats the arguments of an unknown command in its error and the log contains none of them (E23)', async () => {
  const { error, line } = await refused(redis.call('FROB', 'coatcheck:session:k', 'canary-sealed-session'));
  expect(error.message).toContain('canary-sealed-session');
  expect(line).toContain('unknown command');
  expect(line).not.toContain('canary');
});
