import { beforeEach, describe, expect, it } from 'vitest';
import request from 'supertest';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import type { TestGateway } from '../../../testkit/gateway/test-gateway.ts';

/** As many forged cookies as one address may send in a minute. */
const FORGED_COOKIES = 120;

let testGateway: TestGateway;

beforeEach(async () => {
  testGateway = await openTestGatewayForTest({ config: { trustProxy: ['127.0.0.1'] } });
  testGateway.stopClock();
});

/** Seals of the form and the key of a real one, which only the key derivation shows to be forged. */
function forgedFrom(seal: string, count: number): string[] {
  const at = seal.lastIndexOf('*') + 1;
  return Array.from(
    { length: count },
    (_, number) => seal.slice(0, at) + String(number).padStart(8, 'A') + seal.slice(at + 8),
  );
}
const send = (path: string, cookie: string, address: string) =>
  request(testGateway.gateway.url).get(path).set({ cookie, 'X-CSRF': '1', 'X-Forwarded-For': address });

describe('forged session cookies from one address (standards: E3)', () => {
  it('get 429 beyond the limit, while sessions in use and other addresses are served', async () => {
    await testGateway.agent.signIn();
    const seal = testGateway.agent.cookies.get('coatcheck')?.value ?? '';
    const own = `coatcheck=${seal}`;
    await send('/api/one', own, '192.0.2.1').expect(200);
    const forged = forgedFrom(seal, FORGED_COOKIES + 2).map((each) => `coatcheck=${each}`);
    for (const cookie of forged.slice(0, FORGED_COOKIES))
      await send('/api/one', cookie, '192.0.2.1').expect(401);

    for (const path of ['/api/one', '/auth/session']) {
      const refused = await send(path, forged.at(-1) ?? '', '192.0.2.1').expect(429);
      expect(JSON.parse(refused.text)).toMatchObject({ code: 'rate_limited' });
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
      expect(refused.headers).not.toHaveProperty('set-cookie');
    }
    await send('/api/one', own, '192.0.2.1').expect(200);
    await send('/api/one', '', '192.0.2.1').expect(401);
    await send('/api/one', forged.at(-2) ?? '', '192.0.2.2').expect(401);
  });

  it('that cost no key derivation do not count', async () => {
    const cookies = ['coatcheck=nonsense', 'coatcheck=Fe26.2*1*aa*bb*cc**dd*ee~2'];
    for (let count = 0; count < FORGED_COOKIES; count += 1)
      for (const cookie of cookies) await send('/api/one', cookie, '192.0.2.3').expect(401);
  });
});
