import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/errors.ts';
import { createClientAddress } from '../../../src/http/client-address.ts';
import { createGuard } from '../../../src/http/guard.ts';
import { createHostCheck } from '../../../src/http/host.ts';
import { createTestClock } from '../clock.ts';
import { requestOf } from './request.ts';

const clock = createTestClock();
const guard = createGuard({
  hostCheck: createHostCheck('https://app.example.com', []),
  clientAddress: createClientAddress([]),
  clock: clock.now,
});
const host = ['Host', 'app.example.com'] as const;

/** The exchange of a request that passes, or the error that it is refused with. */
function pass(given: Parameters<typeof requestOf>[0]) {
  const request = requestOf({ headers: [host], ...given });
  const exchange = guard.open(request);
  try {
    return { exchange: guard.check(request, exchange), opened: exchange };
  } catch (error) {
    return { error, opened: exchange };
  }
}

describe('the guard', () => {
  it('opens an exchange for every request, the refused ones included', () => {
    const { opened } = pass({ url: '*' });
    expect(opened).toEqual({
      requestId: expect.stringMatching(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
      startedAtMs: clock.now(),
      target: { path: '', query: '' },
      clientAddress: '203.0.113.9',
      route: 'none',
    });
    expect(pass({ url: '*' }).opened.requestId).not.toBe(opened.requestId);
  });

  it('takes no request id from the client (F6)', () => {
    const { opened } = pass({ headers: [host, ['X-Request-Id', 'mine']] });
    expect(opened.requestId).not.toBe('mine');
  });

  it('fills in the target of a request that passes', () => {
    const { exchange, opened } = pass({ url: '/api/x?y' });
    expect(exchange).toBe(opened);
    expect(exchange?.target).toEqual({ path: '/api/x', query: '?y' });
  });

  it.each(['TRACE', 'CONNECT'])(
    'refuses %s, which would show the bearer or open a tunnel (F19)',
    (method) => {
      expect(pass({ method, url: '/api/x' }).error).toMatchObject({
        code: 'method_not_allowed',
        options: { allow: [] },
      });
    },
  );

  it('refuses a request line without a version, which Node takes for HTTP/0.9 (F5)', () => {
    const request = requestOf({ url: '/api/x', headers: [host] });
    request.httpVersion = '0.9';
    expect(() => guard.check(request, guard.open(request))).toThrow(GatewayError);
  });

  it.each([
    ['another host', { headers: [['Host', 'evil.test']] as const }, 'wrong_host'],
    ['two hosts', { headers: [host, host] }, 'bad_request'],
    ['a path that climbs', { url: '/api/../x' }, 'bad_request'],
    ['a whole URL', { url: 'http://evil.test/api' }, 'bad_request'],
    [
      'a path that reads as a host, on a host that is ours (F24)',
      { url: '//app.example.com/api' },
      'bad_request',
    ],
    ['an asterisk', { method: 'OPTIONS', url: '*' }, 'bad_request'],
  ])('refuses a request for %s (F15, F17)', (_what, given, code) => {
    expect(pass(given)).toMatchObject({ error: { code }, opened: { target: { path: '' } } });
  });
});
