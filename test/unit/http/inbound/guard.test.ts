import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../../src/errors.ts';
import { createClientAddress } from '../../../../src/http/inbound/client-address.ts';
import { createConnectionStates, createGuard } from '../../../../src/http/inbound/guard.ts';
import { createHostCheck } from '../../../../src/http/inbound/host.ts';
import { createTestClock } from '../../clock.ts';
import { requestOf } from '../request.ts';

const clock = createTestClock();
const guard = createGuard({
  hostCheck: createHostCheck('https://app.example.com', []),
  clientAddress: createClientAddress([]),
  connectionStates: createConnectionStates(),
  clock: clock.now,
});
const host = ['Host', 'app.example.com'] as const;

/** The context of an accepted request, or the error of a rejected one. */
function pass(given: Parameters<typeof requestOf>[0]) {
  const request = requestOf({ headers: [host], ...given });
  const context = guard.open(request);
  try {
    return { context: guard.check(request, context), opened: context };
  } catch (error) {
    return { error, opened: context };
  }
}

describe('the guard', () => {
  it('the guard opens a request context for every request, including rejected ones', () => {
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

  it('the guard accepts no request id from the client (F6)', () => {
    const { opened } = pass({ headers: [host, ['X-Request-Id', 'mine']] });
    expect(opened.requestId).not.toBe('mine');
  });

  it('the guard sets the target of an accepted request', () => {
    const { context, opened } = pass({ url: '/api/x?y' });
    expect(context).toBe(opened);
    expect(context?.target).toEqual({ path: '/api/x', query: '?y' });
  });

  it.each(['TRACE', 'CONNECT'])(
    'the guard rejects %s, which could reveal the bearer token or open a tunnel (F19)',
    (method) => {
      expect(pass({ method, url: '/api/x' }).error).toMatchObject({
        code: 'method_not_allowed',
        options: { allow: [] },
      });
    },
  );

  it.each(['0.9', '2.0', '1.2'])(
    'the guard rejects the version %s, which Node may accept (F5)',
    (version) => {
      const request = requestOf({ url: '/api/x', headers: [host] });
      request.httpVersion = version;
      expect(() => guard.check(request, guard.open(request))).toThrow(GatewayError);
    },
  );

  it.each([
    ['another host', { headers: [['Host', 'evil.test']] as const }, 'wrong_host'],
    ['two hosts', { headers: [host, host] }, 'bad_request'],
    ['no host', { headers: [] }, 'bad_request'],
    ['a path that climbs', { url: '/api/../x' }, 'bad_request'],
    ['a whole URL', { url: 'http://evil.test/api' }, 'bad_request'],
    [
      'a path that reads as a host, on a host that is ours (F24)',
      { url: '//app.example.com/api' },
      'bad_request',
    ],
    ['an asterisk', { method: 'OPTIONS', url: '*' }, 'bad_request'],
  ])('the guard rejects a request for %s (F15, F17)', (_what, given, code) => {
    expect(pass(given)).toMatchObject({ error: { code }, opened: { target: { path: '' } } });
  });

  it.each(['gzip, chunked', ', chunked', 'identity, chunked'])(
    'the guard rejects the transfer coding %j for any target (F5)',
    (coding) => {
      const given = { method: 'POST', headers: [host, ['Transfer-Encoding', coding]] as const };
      expect(pass(given).error).toMatchObject({ code: 'bad_request' });
    },
  );

  it('the guard rejects a transfer coding in HTTP/1.0 and ignores an expectation there (F5)', () => {
    const request = requestOf({ headers: [host, ['Expect', '100-continue']] });
    request.httpVersion = '1.0';
    guard.check(request, guard.open(request));
    expect(request.headers.expect).toBeUndefined();
    request.headers['transfer-encoding'] = 'chunked';
    expect(() => guard.check(request, guard.open(request))).toThrow(GatewayError);
  });

  it('the guard rejects whatever follows a malformed request on its connection (F5)', () => {
    const first = requestOf({ url: '/api/../x', headers: [host] });
    expect(() => guard.check(first, guard.open(first))).toThrow(GatewayError);
    const second = requestOf({ url: '/api/x', headers: [host] });
    expect(guard.check(second, guard.open(second)).target.path).toBe('/api/x');
    second.socket = first.socket;
    expect(() => guard.check(second, guard.open(second))).toThrow(GatewayError);
  });
});
