import { decodeJwt } from 'jose';
import { Configuration, customFetch, genericGrantRequest, type CustomFetch } from 'openid-client';
import { expect, it } from 'vitest';
import { createDpopHandles, withOneDeadline } from '../../../../src/provider/dpop/handles.ts';

it('the second call of a fetch with one deadline has that of the first', async () => {
  const signals: unknown[] = [];
  const fetch = withOneDeadline(async (_url, { signal }) => {
    signals.push(signal);
    return new Response();
  });
  const [first, second] = [new AbortController(), new AbortController()];
  const options = { method: 'POST', headers: {}, body: null, redirect: 'manual' } as const;
  for (const { signal } of [first, second])
    await fetch('https://login.example/token', { ...options, signal });
  expect(signals).toEqual([first.signal, first.signal]);
  expect(signals[1]).toBe(first.signal);
});

it('a repeated call has the nonce of its own refusal, although another call has got a newer one (standards: G25, H3)', async () => {
  const handles = createDpopHandles({ isOn: true });
  const nonces: unknown[] = [];
  const refusal = (nonce: string) =>
    Response.json({ error: 'use_dpop_nonce' }, { status: 400, headers: { 'dpop-nonce': nonce } });
  const fetch: CustomFetch = async (url, options) => {
    nonces.push(decodeJwt(new Headers(options.headers).get('dpop') ?? '')['nonce']);
    const response = await handles.learning(async () => refusal('mine'))(url, options);
    await handles.learning(async () => refusal('newer'))(url, options);
    return response;
  };
  const server = { issuer: 'https://login.example', token_endpoint: 'https://login.example/token' };
  const client = new Configuration(server, 'web', 'the-client-secret');
  client[customFetch] = fetch;
  const request = async () => {
    const key = handles.createKey()?.secret;
    return genericGrantRequest(client, 'client_credentials', {}, handles.of(client, key)).catch(
      () => undefined,
    );
  };
  await request();
  await request();
  expect(nonces).toEqual([undefined, 'mine', 'newer', 'mine']);
});
