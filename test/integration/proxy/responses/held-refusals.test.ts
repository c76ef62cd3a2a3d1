import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type RawUpstream, startRawUpstream } from '../../../../testkit/network/raw-upstream.ts';
import { type TestGateway, openTestGateway } from '../../../../testkit/gateway/test-gateway.ts';

/** A 401 that requires another token, with further header fields and a body. */
const refusal = (fields: readonly string[], body = '') =>
  ['HTTP/1.1 401 Unauthorized', 'WWW-Authenticate: Bearer error="invalid_token"', ...fields, '', body].join(
    '\r\n',
  );

/** A response of the token endpoint that says nothing about the provider's health, and brings no token. */
const NO_OTHER_TOKEN = {
  status: 400,
  body: { error: 'invalid_request' },
  headers: { 'content-type': 'application/json' },
};

type End = (socket: Socket) => void;
const finish: End = (socket) => void socket.end();
const reset: End = (socket) => void setTimeout(() => socket.resetAndDestroy(), 20);

type HeldResponse = { testGateway: TestGateway; raw: RawUpstream };

/** An upstream that responds to the first request with these bytes and ends the connection, and accepts all later requests. */
async function openHeldResponse(bytes: string, end: End): Promise<HeldResponse> {
  const raw = await startRawUpstream(async (socket, head) => {
    const isRefused = raw.received.length === 1;
    await head;
    socket.write(isRefused ? bytes : 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok');
    (isRefused ? end : finish)(socket);
  });
  const testGateway = await openTestGateway({ routes: [{ path: '/api', upstream: raw.url }] });
  onTestFinished(async () => {
    await testGateway.close();
    await raw.close();
  });
  await testGateway.agent.signIn();
  return { testGateway, raw };
}

/** Makes a call, and holds the refresh of its token until the 401 and the end of its connection must have arrived. */
async function callWhileHeld({ testGateway }: HeldResponse, method: string, body?: string) {
  const gate = testGateway.provider.faults.hold('token');
  const response = testGateway.agent.fetch('/api/one', { method, ...(body !== undefined && { body }) });
  await gate.waiting();
  await sleep(60);
  gate.release();
  return response;
}

describe('an upstream 401 whose connection ends while the gateway refreshes the token', () => {
  it.each([
    ['has Content-Length 0', ['Connection: close', 'Content-Length: 0'], '', finish],
    ['has no framing and no body', ['Connection: close'], '', finish],
    ['has a body that ends with the connection', ['Connection: close'], 'no', finish],
    ['has a body of known length', ['Connection: close', 'Content-Length: 2'], 'no', finish],
    ['has no body and its connection ends without notice', ['Content-Length: 0'], '', finish],
    ['has a body and its connection ends without notice', ['Content-Length: 2'], 'no', finish],
  ])(
    'is forwarded unchanged when no other token is available and it %s',
    async (_what, fields, body, end) => {
      const fixture = await openHeldResponse(refusal(fields, body), end);
      fixture.testGateway.provider.faults.token = NO_OTHER_TOKEN;
      const response = await callWhileHeld(fixture, 'POST', 'body');
      expect([response.status, response.text()]).toEqual([401, body]);
      expect(response.header('www-authenticate')).toBe('Bearer error="invalid_token"');
      expect(fixture.raw.received).toHaveLength(1);
    },
  );

  it('is forwarded as the response to a HEAD request', async () => {
    const fixture = await openHeldResponse(refusal(['Content-Length: 2']), finish);
    fixture.testGateway.provider.faults.token = NO_OTHER_TOKEN;
    const response = await callWhileHeld(fixture, 'HEAD');
    expect([response.status, response.header('content-length')]).toEqual([401, '2']);
  });

  it.each([
    ['announced', ['Connection: close', 'Content-Length: 2']],
    ['unannounced', ['Content-Length: 2']],
  ])(
    'becomes a 502 when its body is lost in an %s connection reset (standards: F21)',
    async (_what, fields) => {
      const fixture = await openHeldResponse(refusal(fields, 'no'), reset);
      fixture.testGateway.provider.faults.token = NO_OTHER_TOKEN;
      const response = await callWhileHeld(fixture, 'POST', 'body');
      expect(response.json()).toMatchObject({ status: 502, code: 'upstream_unreachable' });
    },
  );

  it.each([
    ['cleanly', ['Connection: close', 'Content-Length: 0'], '', finish],
    ['unannounced', ['Content-Length: 0'], '', finish],
    ['by a reset', ['Content-Length: 2'], 'no', reset],
    ['in the middle of its body', ['Content-Length: 20'], 'no', reset],
  ])(
    'is replaced by the response to a replay with another token when the connection ends %s (standards: G8)',
    async (_what, fields, body, end) => {
      const fixture = await openHeldResponse(refusal(fields, body), end);
      const response = await callWhileHeld(fixture, 'POST', 'body');
      expect([response.status, response.text()]).toEqual([200, 'ok']);
      expect(fixture.raw.received.map((bytes) => bytes.toString().endsWith('\r\n\r\nbody'))).toEqual([
        true,
        true,
      ]);
    },
  );
});
