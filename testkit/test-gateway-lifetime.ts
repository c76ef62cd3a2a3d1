import { afterAll, afterEach, beforeAll, beforeEach, onTestFinished } from 'vitest';
import { type RedisServer, startRedis } from './redis-server.ts';
import { type TestGateway, type RigOptions, openRig } from './test-gateway.ts';

/** Opens a rig for the test that runs, which closes it at its end. */
export async function openTestRig(options?: RigOptions): Promise<TestGateway> {
  const rig = await openRig(options);
  onTestFinished(() => rig.close());
  return rig;
}

/**
 * Opens a rig for each test of the file, or of the `describe` that this stands in: all on one Redis, which each test finds
 * empty. `give` is called before each test.
 */
export function openTestRigs(give: (opened: { redis: RedisServer; rig: TestGateway }) => void): void {
  let redis: RedisServer;
  let rig: TestGateway;

  beforeAll(async () => {
    redis = await startRedis();
  });

  beforeEach(async () => {
    rig = await openRig({ store: redis.url });
    give({ redis, rig });
  });

  afterEach(async () => {
    await rig.close();
    await redis.command('FLUSHALL');
  });

  afterAll(() => redis.close());
}
