import request from 'supertest';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openTestGateway, type TestGateway } from '../../../testkit/gateway/test-gateway.ts';
import { jwk, pem, publicJwk } from '../../unit/config/keys.ts';

async function open(config: Record<string, unknown> = {}): Promise<TestGateway> {
  const testGateway = await openTestGateway({ config });
  onTestFinished(() => testGateway.close());
  return testGateway;
}

const publishedBy = async ({ gateway }: TestGateway) => {
  const response = await request(gateway.url).get('/auth/jwks.json').buffer().parse(asText);
  return { response, keys: (JSON.parse(String(response.body)) as { keys: unknown[] }).keys };
};

/** supertest reads a type that it does not know as bytes. */
const asText = (response: request.Response, done: (error: null, body: string) => void) => {
  let text = '';
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => (text += chunk));
  response.on('end', () => done(null, text));
};

describe('GET /auth/jwks.json', () => {
  it('publishes the public parts of all keys, to anybody', async () => {
    const keys = [
      { key: pem('P-256'), keyId: 'key-1' },
      { key: jwk('ed25519', { alg: 'EdDSA' }), keyId: 'key-2' },
    ];
    const { response, keys: published } = await publishedBy(await open({ keys }));
    expect(response.status).toBe(200);
    expect(response.headers['content-type']).toBe('application/jwk-set+json');
    expect(response.headers['cache-control']).toBe('no-store');
    expect(published).toEqual([
      { ...publicJwk('P-256'), kid: 'key-1', use: 'sig', alg: 'ES256' },
      { ...publicJwk('ed25519'), kid: 'key-2', use: 'sig', alg: 'EdDSA' },
    ]);
  });

  it('is an empty key set without keys', async () => {
    expect((await publishedBy(await open())).keys).toEqual([]);
  });

  it('has the new keys after a reload, which ends no session', async () => {
    const testGateway = await open({ keys: [{ key: pem('rsa'), keyId: 'old' }] });
    await testGateway.agent.signIn();
    await testGateway.gateway.reload({
      keys: [
        { key: pem('P-256'), keyId: 'new' },
        { key: pem('rsa'), keyId: 'old' },
      ],
    });
    expect((await publishedBy(testGateway)).keys).toEqual([
      expect.objectContaining({ kid: 'new' }),
      expect.objectContaining({ kid: 'old' }),
    ]);
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
    await testGateway.gateway.reload({ keys: [] });
    expect((await publishedBy(testGateway)).keys).toEqual([]);
  });

  it('accepts GET and HEAD only', async () => {
    const response = await request((await open()).gateway.url).post('/auth/jwks.json');
    expect(response.status).toBe(405);
    expect(response.headers['allow']).toBe('GET, HEAD');
  });
});
