import { AuthorizationResponseError } from 'openid-client';
import { describe, expect, it } from 'vitest';
import { NotSentError } from '../../../src/provider/http/http-client.ts';
import {
  classifyRefreshFailure,
  classifyRevocationFailure,
  explainLoginFailure,
  retryAfterOf,
} from '../../../src/provider/refusal.ts';
import {
  jsonResponse,
  fetchFailed,
  loginFailure,
  refreshFailure,
  revocationFailure,
  type Behaviour,
} from './token-endpoint.ts';

const html = { 'Content-Type': 'text/html' };

/** The outcome of a refresh at a token endpoint with this behaviour, without its cause. */
async function outcomeOf(behaviour: Behaviour): Promise<Record<string, unknown>> {
  const failure = await refreshFailure(behaviour);
  const { cause, ...outcome } = classifyRefreshFailure(failure);
  expect(cause).toBe(failure);
  return outcome;
}

describe('a response to a refresh', () => {
  it.each([400, 401])('rejects the refresh when it is invalid_grant with status %i (G11)', async (status) => {
    expect(await outcomeOf(() => jsonResponse(status, { error: 'invalid_grant' }))).toEqual({
      kind: 'rejected',
    });
  });

  it.each([
    [400, 'invalid_client'],
    [401, 'invalid_client'],
    [400, 'unauthorized_client'],
    [400, 'unsupported_grant_type'],
    [400, 'invalid_request'],
    [400, 'invalid_scope'],
    [400, 'invalid_target'],
    [403, 'access_denied'],
  ])('says nothing about the session when it is %i %s (G12)', async (status, error) => {
    expect(await outcomeOf(() => jsonResponse(status, { error }))).toEqual({ kind: 'misconfigured', error });
  });

  it('says nothing about the session when it is a challenge (G12)', async () => {
    const challenge = { 'WWW-Authenticate': 'Basic realm="token"' };
    expect(await outcomeOf(() => jsonResponse(401, { error: 'invalid_client' }, challenge))).toEqual({
      kind: 'misconfigured',
      error: 'invalid_client',
    });
  });

  it.each([302, 403, 404])(
    'says nothing about the session when it is %i from another server',
    async (status) => {
      expect(await outcomeOf(() => jsonResponse(status, '<html>', html))).toEqual({
        kind: 'misconfigured',
        error: `unexpected status ${status}`,
      });
    },
  );

  it.each([425, 429])(
    'means with status %i that the refresh was not processed and must wait for Retry-After (G13)',
    async (status) => {
      const later = { 'Retry-After': '7' };
      const putOff = { kind: 'transient', retryAfterSeconds: 7 };
      expect(await outcomeOf(() => jsonResponse(status, '<html>', { ...html, ...later }))).toEqual(putOff);
      expect(await outcomeOf(() => jsonResponse(status, { error: 'invalid_request' }, later))).toEqual(
        putOff,
      );
    },
  );

  it.each([408, 500, 502, 503, 504])(
    'is ambiguous with status %i: a proxy may send it after the provider rotated the token (G13, G15)',
    async (status) => {
      const later = { 'Retry-After': '7' };
      const ambiguous = { kind: 'ambiguous', retryAfterSeconds: 7 };
      expect(await outcomeOf(() => jsonResponse(status, '<html>', { ...html, ...later }))).toEqual(ambiguous);
      expect(await outcomeOf(() => jsonResponse(status, { error: 'invalid_request' }, later))).toEqual(
        ambiguous,
      );
    },
  );

  it('rejects the refresh when it has an error code from the configuration (G11)', async () => {
    const dead = await refreshFailure(() => jsonResponse(400, { error: 'invalid_request' }));
    const codes = ['invalid_grant', 'invalid_request'];
    expect(classifyRefreshFailure(dead, codes)).toEqual({ kind: 'rejected', cause: dead });
  });

  it.each([
    'ECONNREFUSED',
    'ENOTFOUND',
    'EAI_AGAIN',
    'EHOSTUNREACH',
    'ENETUNREACH',
    'UND_ERR_CONNECT_TIMEOUT',
    'CERT_HAS_EXPIRED',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
  ])('is missing after %s, before the request was sent: the refresh token is unused (G13)', async (code) => {
    expect(await outcomeOf(() => fetchFailed(code))).toEqual({
      kind: 'transient',
      retryAfterSeconds: undefined,
    });
  });

  it('is missing after the lock was lost, before the request was sent', async () => {
    const cause = new NotSentError('the session lock expired before the request was sent');
    const held = () => Promise.reject(new TypeError('fetch failed', { cause }));
    expect(await outcomeOf(held)).toEqual({ kind: 'transient', retryAfterSeconds: undefined });
  });

  it.each<[string, Behaviour]>([
    ['the connection is reset', () => fetchFailed('ECONNRESET')],
    ['the socket is closed', () => fetchFailed('UND_ERR_SOCKET')],
    ['no response arrives in time', () => Promise.reject(new DOMException('timed out', 'TimeoutError'))],
    ['the response is a page', () => jsonResponse(200, '<html>', html)],
    ['the response is truncated', () => jsonResponse(200, '{"access_token":"a","refresh')],
    ['the response is a list', () => jsonResponse(200, [])],
    ['the response has no access token', () => jsonResponse(200, { token_type: 'bearer' })],
    ['the response has no token type', () => jsonResponse(200, { access_token: 'a' })],
    [
      'the response has an unknown token type (C15)',
      () => jsonResponse(200, { access_token: 'a', token_type: 'mac' }),
    ],
  ])('is ambiguous when %s: the refresh token may have been used (G15)', async (_what, behaviour) => {
    expect(await outcomeOf(behaviour)).toEqual({ kind: 'ambiguous' });
  });

  it('is ambiguous after any other failure', () => {
    for (const cause of [new Error('?'), 'thrown', undefined])
      expect(classifyRefreshFailure(cause)).toEqual({ kind: 'ambiguous', cause });
  });
});

describe('a response to a revocation', () => {
  const outcomeOfRevocation = async (behaviour: Behaviour) => {
    const failure = await revocationFailure(behaviour);
    const { cause, ...outcome } = classifyRevocationFailure(failure);
    expect(cause).toBe(failure);
    return outcome;
  };

  it.each([
    [400, 'unsupported_token_type'],
    [400, 'invalid_request'],
    [403, 'access_denied'],
  ])('rejects the revocation for good when it is %i %s (standards: D8)', async (status, error) => {
    expect(await outcomeOfRevocation(() => jsonResponse(status, { error }))).toEqual({ kind: 'refused' });
  });

  it.each([408, 425, 429, 500, 502, 503])(
    'fails the revocation for now with status %i, until Retry-After (standards: D8)',
    async (status) => {
      const later = { 'Retry-After': '7' };
      const putOff = { kind: 'failed', retryAfterSeconds: 7 };
      expect(await outcomeOfRevocation(() => jsonResponse(status, '<html>', { ...html, ...later }))).toEqual(
        putOff,
      );
      expect(
        await outcomeOfRevocation(() => jsonResponse(status, { error: 'invalid_request' }, later)),
      ).toEqual(putOff);
    },
  );

  it.each<[string, Behaviour]>([
    ['the client is refused', () => jsonResponse(400, { error: 'invalid_client' })],
    ['the client is challenged', () => jsonResponse(401, {}, { 'WWW-Authenticate': 'Basic realm="revoke"' })],
    ['another server responds', () => jsonResponse(404, '<html>', html)],
    ['there is no connection', () => fetchFailed('ECONNREFUSED')],
    ['the connection is reset', () => fetchFailed('ECONNRESET')],
    ['no response arrives in time', () => Promise.reject(new DOMException('timed out', 'TimeoutError'))],
  ])(
    'fails the revocation for now when %s: a later attempt may succeed (standards: D8)',
    async (_what, behaviour) => {
      expect(await outcomeOfRevocation(behaviour)).toEqual({ kind: 'failed', retryAfterSeconds: undefined });
    },
  );
});

describe('the explanation of a rejected login', () => {
  const bearer = () => jsonResponse(200, { access_token: 'canary', token_type: 'bearer' });

  it.each<[string, string, Behaviour, string]>([
    ['the provider', '?error=access_denied&state=st', bearer, 'the provider returned access_denied'],
    ['a wrong state (B2)', '?code=c&state=other', bearer, 'unexpected "state" response parameter value'],
    ['a foreign issuer (B9)', '?code=c&state=st&iss=https://evil', bearer, 'unexpected "iss"'],
    ['a missing code (C24)', '?access_token=canary&state=st', bearer, 'no authorization code'],
    [
      'the token endpoint',
      '?code=c&state=st',
      () => jsonResponse(400, { error: 'invalid_grant', error_description: 'used' }),
      'the token endpoint returned invalid_grant',
    ],
    [
      'a wrong secret',
      '?code=c&state=st',
      () => jsonResponse(401, { error: 'invalid_client' }, { 'WWW-Authenticate': 'Basic' }),
      'check clientId, clientSecret and clientAuthentication',
    ],
    ['a missing ID token', '?code=c&state=st', bearer, 'invalid response encountered'],
    [
      'a page',
      '?code=c&state=st',
      () => jsonResponse(200, '<html>', html),
      'unexpected response content-type',
    ],
    [
      'a response that is not JSON',
      '?code=c&state=st',
      () => jsonResponse(200, '{"access_token": canary}'),
      'failed to parse "response" body as JSON',
    ],
  ])('names %s as the reason and reveals no value', async (_who, callback, behaviour, reason) => {
    const explained = explainLoginFailure(await loginFailure(callback, behaviour));
    expect(explained).toContain(reason);
    expect(explained).not.toContain('canary');
  });

  it.each<[string, Behaviour]>([
    ['cannot be reached', () => fetchFailed('ECONNREFUSED')],
    ['hangs up', () => fetchFailed('ECONNRESET')],
    ['does not respond in time', () => Promise.reject(new DOMException('timed out', 'TimeoutError'))],
    ['is down', () => jsonResponse(503, '<html>', html)],
    ['is busy', () => jsonResponse(429, { error: 'slow_down' })],
  ])('is undefined when the provider %s', async (_what, behaviour) => {
    expect(explainLoginFailure(await loginFailure('?code=c&state=st', behaviour))).toBeUndefined();
  });

  it('repeats parameters from the browser in printable ASCII and at most 200 characters each (C23)', () => {
    const cause = new URLSearchParams({ error: 'a\r\nb\u0000é', error_description: 'x'.repeat(10_000) });
    const reason = explainLoginFailure(new AuthorizationResponseError('refused', { cause })) ?? '';
    expect(reason).toBe(`the provider returned a??b?? (${'x'.repeat(200)})`);
  });
});

describe('the parsed Retry-After', () => {
  const read = (value: string) => retryAfterOf(new Response(null, { headers: { 'Retry-After': value } }));

  it.each([
    ['0', 0],
    ['7', 7],
    [' 7 ', 7],
    ['999999999', 3_600],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
    ['Fri, 31 Dec 9999 23:59:59 GMT', 3_600],
  ])('of %o is %i seconds, at most an hour (G13)', (value, seconds) => {
    expect(read(value)).toBe(seconds);
  });

  it('of a date counts from now to the next whole second', () => {
    const seconds = read(new Date(Date.now() + 60_000).toUTCString());
    expect([59, 60]).toContain(seconds);
  });

  it.each(['', 'soon', '7s'])('of %o is undefined', (value) => {
    expect(read(value)).toBeUndefined();
  });

  it('of a response without the header is undefined', () => {
    expect(retryAfterOf(new Response(null))).toBeUndefined();
  });
});
