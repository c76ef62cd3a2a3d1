import { decodeJwt } from 'jose';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startRawUpstream } from '../../../testkit/network/raw-upstream.ts';
import { openDpopFixture } from './fixture.ts';

const CHALLENGE = 'WWW-Authenticate: DPoP error="use_dpop_nonce"\r\n';

/** An API that responds to each request with these bytes in its head. The user is signed in. */
async function open(status: string, fields: string) {
  const api = await startRawUpstream(async (socket, head) => {
    await head;
    const response = `HTTP/1.1 ${status}\r\n${fields}Content-Length: 2\r\nConnection: close\r\n\r\nok`;
    socket.end(Buffer.from(response, 'latin1'));
  });
  onTestFinished(() => api.close());
  const routes = [{ path: '/api', upstream: api.url, websocket: true }];
  const fixture = await openDpopFixture({ routes });
  await fixture.agent.signIn('/');
  /** The nonces of the proofs that it got, in order. */
  const nonces = () =>
    api.received.map((bytes) => {
      const [, proof = ''] = /\r\ndpop: (\S+)/i.exec(bytes.toString('latin1')) ?? [];
      return decodeJwt(proof)['nonce'];
    });
  return { ...fixture, api, nonces };
}

/** Values of `DPoP-Nonce` that are no nonce, and the status that the browser gets. */
const hostile: [string, string, number][] = [
  ['empty', 'DPoP-Nonce: \r\n', 200],
  ['with quotes and a backslash', 'DPoP-Nonce: a"\\","ath":"b\r\n', 200],
  ['with bytes beyond ASCII', 'DPoP-Nonce: \xff\xfe\x80\r\n', 200],
  ['with a space', 'DPoP-Nonce: a b\r\n', 200],
  ['twice', 'DPoP-Nonce: one\r\nDPoP-Nonce: two\r\n', 200],
  ['of more than 1,024 characters', `DPoP-Nonce: ${'x'.repeat(1_025)}\r\n`, 200],
  ['with a control character', 'DPoP-Nonce: a\x01b\r\n', 502],
  ['of 100 kB', `DPoP-Nonce: ${'x'.repeat(100_000)}\r\n`, 502],
];

describe('an upstream that sends a hostile nonce with every response', () => {
  it.each(hostile)('%s reaches neither a later proof nor the browser', async (_what, fields, status) => {
    const { agent, nonces } = await open('200 OK', fields);
    for (let count = 0; count < 2; count += 1) expect((await agent.fetch('/api/a')).status).toBe(status);
    expect(nonces()).toEqual([undefined, undefined]);
    expect(agent.received()).not.toMatch(/dpop-nonce/i);
  });

  it.each(hostile)('%s causes no repetition when it asks for it', async (_what, fields, status) => {
    const { agent, nonces, provider } = await open('401 Unauthorized', CHALLENGE + fields);
    expect((await agent.fetch('/api/a')).status).toBe(status === 200 ? 401 : 502);
    await expect(agent.websocket('/api/socket')).rejects.toMatchObject({
      status: status === 200 ? 401 : 502,
    });
    expect(nonces()).toEqual([undefined, undefined]);
    expect(provider.tokenCalls({ grant: 'refresh_token' })).toBe(0);
    expect((await agent.fetch('/auth/session')).json()).toMatchObject({ authenticated: true });
  });
});

describe('a provider that asks for a nonce for ever', () => {
  const asking = (headers: Record<string, string> = {}) => ({
    status: 400,
    body: { error: 'use_dpop_nonce' },
    headers,
  });

  it.each<[string, Record<string, string>]>([
    ['without one', {}],
    ['with the same one', { 'dpop-nonce': 'one' }],
    ['with one of hostile bytes', { 'dpop-nonce': 'a"\\","ath":"b' }],
  ])('and responds %s is asked twice for each grant', async (_what, headers) => {
    const routes = [
      { path: '/api' },
      { path: '/machine', token: 'client', auth: 'optional' },
      { path: '/orders', token: 'exchange', exchange: { audience: 'https://orders.test' } },
    ];
    const { agent, provider, advance } = await openDpopFixture({ routes });
    const callsOf = async (act: () => Promise<unknown>) => {
      const before = provider.tokenCalls();
      await act();
      return provider.tokenCalls() - before;
    };
    provider.faults.token = asking(headers);
    const signIn = () => expect(agent.signIn('/')).rejects.toThrow('the sign-in failed');
    expect(await callsOf(signIn)).toBe(2);
    delete provider.faults.token;
    await agent.signIn('/');

    provider.faults.token = asking(headers);
    const failing = (path: string, status: number) => async () =>
      expect((await agent.fetch(path)).status).toBe(status);
    expect(await callsOf(failing('/machine/a', 503))).toBe(2);
    expect(await callsOf(failing('/orders/a', 502))).toBe(2);
    advance(300_000);
    expect(await callsOf(failing('/api/a', 503))).toBe(2);

    delete provider.faults.token;
    advance(60_000);
    expect((await agent.fetch('/api/b')).status).toBe(200);
  });

  it('at the userinfo endpoint is asked twice, and the sign-in fails', async () => {
    const { agent, provider } = await openDpopFixture({ config: { provider: { userinfo: 'login' } } });
    const challenge = 'DPoP error="use_dpop_nonce"';
    provider.faults.userinfo = {
      status: 401,
      headers: { 'www-authenticate': challenge, 'dpop-nonce': 'one' },
    };
    await expect(agent.signIn('/')).rejects.toThrow('the sign-in failed');
    expect(provider.requests.filter(({ endpoint }) => endpoint === 'userinfo')).toHaveLength(2);
    expect(provider.families).toMatchObject([{ alive: false }]);
  });
});
