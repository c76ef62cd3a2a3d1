import { afterAll, afterEach, beforeAll, beforeEach, onTestFinished } from 'vitest';
import { type RedisServer, startRedis } from '../redis/redis-server.ts';
import { type TestGateway, type TestGatewayOptions, openTestGateway } from './test-gateway.ts';

/** Opens a test gateway for the current test; it closes when the test ends. */
export async function openTestGatewayForTest(options?: TestGatewayOptions): Promise<TestGateway> {
  const testGateway = await openTestGateway(options);
  onTestFinished(() => testGateway.close());
  return testGateway;
}

/**
 * Opens a test gateway for each test of the file, or of the enclosing `describe`. They share one Redis, empty at
 * the start of each test. `give` is called before each test.
 */
export function openTestGatewayForEachTest(
  give: (opened: { redis: RedisServer; testGateway: TestGateway }) => void,
  options?: TestGatewayOptions,
): void {
  let redis: RedisServer;
  let testGateway: TestGateway;

  beforeAll(async () => {
    redis = await startRedis();
  });

  beforeEach(async () => {
    testGateway = await openTestGateway({ ...options, store: redis.url });
    give({ redis, testGateway });
  });

  afterEach(async () => {
    await testGateway.close();
    await redis.command('FLUSHALL');
  });

  afterAll(() => redis.close());
}
