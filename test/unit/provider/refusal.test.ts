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
  answer,
  fetchFailed,
  loginFailure,
  refreshFailure,
  revocationFailure,
  type Behaviour,
} from './token-endpoint.ts';

const html = { 'Content-Type': 'text/html' };

/** The outcome that a refresh has at a token endpoint that behaves so, without its cause. */
async function outcomeOf(behaviour: Behaviour): Promise<Record<string, unknown>> {
  const failure = await refreshFailure(behaviour);
  const { cause, ...outcome } = classifyRefreshFailure(failure);
  expect(cause).toBe(failure);
  return outcome;
}

describe('a refresh', () => {
  it.each([400, 401])(
    'is rejected by invalid_grant with status %i, and by nothing else (G11)',
    async (status) => {
      expect(await outcomeOf(() => answer(status, { error: 'invalid_grant' }))).toEqual({ kind: 'rejected' });
    },
  );

  it.each([
    [400, 'invalid_client'],
    [401, 'invalid_client'],
    [400, 'unauthorized_client'],
    [400, 'unsupported_grant_type'],
    [400, 'invalid_request'],
    [400, 'invalid_scope'],
    [400, 'invalid_target'],
    [403, 'access_denied'],
  ])('that is answered %i %s says nothing about the session (G12)', async (status, error) => {
    expect(await outcomeOf(() => answer(status, { error }))).toEqual({ kind: 'misconfigured', error });
  });

  it('that is answered with a challenge says nothing about the session (G12)', async () => {
    const challenge = { 'WWW-Authenticate': 'Basic realm="token"' };
    expect(await outcomeOf(() => answer(401, { error: 'invalid_client' }, challenge))).toEqual({
      kind: 'misconfigured',
      error: 'invalid_client',
    });
  });

  it.each([302, 403, 404])(
    'that somebody else answers with %i says nothing about the session',
    async (status) => {
      expect(await outcomeOf(() => answer(status, '<html>', html))).toEqual({
        kind: 'misconfigured',
        error: `unexpected status ${status}`,
      });
    },
  );

  it.each([425, 429])(
    'that gets a %i was not processed, and is put off as long as asked (G13)',
    async (status) => {
      const later = { 'Retry-After': '7' };
      const putOff = { kind: 'transient', retryAfterSeconds: 7 };
      expect(await outcomeOf(() => answer(status, '<html>', { ...html, ...later }))).toEqual(putOff);
      expect(await outcomeOf(() => answer(status, { error: 'invalid_request' }, later))).toEqual(putOff);
    },
  );

  it.each([408, 500, 502, 503, 504])(
    'that gets a %i is ambiguous: a proxy may say so after the provider rotated the token (G13, G15)',
    async (status) => {
      const later = { 'Retry-After': '7' };
      const ambiguous = { kind: 'ambiguous', retryAfterSeconds: 7 };
      expect(await outcomeOf(() => answer(status, '<html>', { ...html, ...later }))).toEqual(ambiguous);
      expect(await outcomeOf(() => answer(status, { error: 'invalid_request' }, later))).toEqual(ambiguous);
    },
  );

  it('is rejected by the error codes that the configuration names (G11)', async () => {
    const dead = await refreshFailure(() => answer(400, { error: 'invalid_request' }));
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
  ])('that fails with %s was not sent: the refresh token is unused (G13)', async (code) => {
    expect(await outcomeOf(() => fetchFailed(code))).toEqual({
      kind: 'transient',
      retryAfterSeconds: undefined,
    });
  });

  it('that was held back for a lapsed lock was not sent', async () => {
    const cause = new NotSentError('the session lock expired before the request was sent');
    const held = () => Promise.reject(new TypeError('fetch failed', { cause }));
    expect(await outcomeOf(held)).toEqual({ kind: 'transient', retryAfterSeconds: undefined });
  });

  it.each<[string, Behaviour]>([
    ['the connection is reset', () => fetchFailed('ECONNRESET')],
    ['the socket is closed', () => fetchFailed('UND_ERR_SOCKET')],
    ['no answer comes in time', () => Promise.reject(new DOMException('timed out', 'TimeoutError'))],
    ['the answer is a page', () => answer(200, '<html>', html)],
    ['the answer is cut short', () => answer(200, '{"access_token":"a","refresh')],
    ['the answer is a list', () => answer(200, [])],
    ['the answer has no access token', () => answer(200, { token_type: 'bearer' })],
    ['the answer has no token type', () => answer(200, { access_token: 'a' })],
    [
      'the answer has a token type nobody knows (C15)',
      () => answer(200, { access_token: 'a', token_type: 'mac' }),
    ],
  ])('is ambiguous when %s: the refresh token may have been used (G15)', async (_what, behaviour) => {
    expect(await outcomeOf(behaviour)).toEqual({ kind: 'ambiguous' });
  });

  it('is ambiguous after any other failure', () => {
    for (const cause of [new Error('?'), 'thrown', undefined])
      expect(classifyRefreshFailure(cause)).toEqual({ kind: 'ambiguous', cause });
  });
});

describe('a revocation', () => {
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
  ])('that is answered %i %s is refused for good (standards: D8)', async (status, error) => {
    expect(await outcomeOfRevocation(() => answer(status, { error }))).toEqual({ kind: 'refused' });
  });

  it.each([408, 425, 429, 500, 502, 503])(
    'that is answered %i has failed, and is put off as long as asked (standards: D8)',
    async (status) => {
      const later = { 'Retry-After': '7' };
      const putOff = { kind: 'failed', retryAfterSeconds: 7 };
      expect(await outcomeOfRevocation(() => answer(status, '<html>', { ...html, ...later }))).toEqual(
        putOff,
      );
      expect(await outcomeOfRevocation(() => answer(status, { error: 'invalid_request' }, later))).toEqual(
        putOff,
      );
    },
  );

  it.each<[string, Behaviour]>([
    ['the client is refused', () => answer(400, { error: 'invalid_client' })],
    ['the client is challenged', () => answer(401, {}, { 'WWW-Authenticate': 'Basic realm="revoke"' })],
    ['somebody else answers', () => answer(404, '<html>', html)],
    ['there is no connection', () => fetchFailed('ECONNREFUSED')],
    ['the connection is reset', () => fetchFailed('ECONNRESET')],
    ['no answer comes in time', () => Promise.reject(new DOMException('timed out', 'TimeoutError'))],
  ])('has failed when %s: it may go through another time (standards: D8)', async (_what, behaviour) => {
    expect(await outcomeOfRevocation(behaviour)).toEqual({ kind: 'failed', retryAfterSeconds: undefined });
  });
});

describe('a refused login', () => {
  const bearer = () => answer(200, { access_token: 'canary', token_type: 'bearer' });

  it.each<[string, string, Behaviour, string]>([
    ['the provider', '?error=access_denied&state=st', bearer, 'the provider returned access_denied'],
    ['a wrong state (B2)', '?code=c&state=other', bearer, 'unexpected "state" response parameter value'],
    ['a foreign issuer (B9)', '?code=c&state=st&iss=https://evil', bearer, 'unexpected "iss"'],
    ['a missing code (C24)', '?access_token=canary&state=st', bearer, 'no authorization code'],
    [
      'the token endpoint',
      '?code=c&state=st',
      () => answer(400, { error: 'invalid_grant', error_description: 'used' }),
      'the token endpoint returned invalid_grant',
    ],
    [
      'a wrong secret',
      '?code=c&state=st',
      () => answer(401, { error: 'invalid_client' }, { 'WWW-Authenticate': 'Basic' }),
      'check clientId, clientSecret and clientAuthentication',
    ],
    ['a missing ID token', '?code=c&state=st', bearer, 'invalid response encountered'],
    ['a page', '?code=c&state=st', () => answer(200, '<html>', html), 'unexpected response content-type'],
    [
      'an answer that is no JSON',
      '?code=c&state=st',
      () => answer(200, '{"access_token": canary}'),
      'failed to parse "response" body as JSON',
    ],
  ])(
    'tells the developer that %s was the reason, and no value',
    async (_who, callback, behaviour, reason) => {
      const explained = explainLoginFailure(await loginFailure(callback, behaviour));
      expect(explained).toContain(reason);
      expect(explained).not.toContain('canary');
    },
  );

  it.each<[string, Behaviour]>([
    ['cannot be reached', () => fetchFailed('ECONNREFUSED')],
    ['hangs up', () => fetchFailed('ECONNRESET')],
    ['does not answer in time', () => Promise.reject(new DOMException('timed out', 'TimeoutError'))],
    ['is down', () => answer(503, '<html>', html)],
    ['is busy', () => answer(429, { error: 'slow_down' })],
  ])('is no refusal when the provider %s', async (_what, behaviour) => {
    expect(explainLoginFailure(await loginFailure('?code=c&state=st', behaviour))).toBeUndefined();
  });

  it('repeats what came through the browser in printable ASCII and no more than 200 characters of each (C23)', () => {
    const cause = new URLSearchParams({ error: 'a\r\nb\u0000é', error_description: 'x'.repeat(10_000) });
    const reason = explainLoginFailure(new AuthorizationResponseError('refused', { cause })) ?? '';
    expect(reason).toBe(`the provider returned a??b?? (${'x'.repeat(200)})`);
  });
});

describe('Retry-After', () => {
  const read = (value: string) => retryAfterOf(new Response(null, { headers: { 'Retry-After': value } }));

  it.each([
    ['0', 0],
    ['7', 7],
    [' 7 ', 7],
    ['999999999', 3_600],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
    ['Fri, 31 Dec 9999 23:59:59 GMT', 3_600],
  ])('%o is %i seconds, an hour at the most (G13)', (value, seconds) => {
    expect(read(value)).toBe(seconds);
  });

  it('as a date counts from now, up to the next whole second', () => {
    const seconds = read(new Date(Date.now() + 60_000).toUTCString());
    expect([59, 60]).toContain(seconds);
  });

  it.each(['', 'soon', '7s'])('%o says nothing', (value) => {
    expect(read(value)).toBeUndefined();
  });

  it('says nothing when it is not there', () => {
    expect(retryAfterOf(new Response(null))).toBeUndefined();
  });
});
