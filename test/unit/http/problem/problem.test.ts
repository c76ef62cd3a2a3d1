import { describe, expect, it } from 'vitest';
import { GatewayError, type StepUpRequirement } from '../../../../src/errors.ts';
import { createProblems } from '../../../../src/http/problem/problem.ts';
import { inertHeaders } from '../../../../src/http/security-headers.ts';

const problems = createProblems({ secure: true, loginUrl: '/auth/login' });

describe('a problem response', () => {
  it('a problem has a stable code and a description (RFC 9457)', () => {
    const { status, headers, body } = problems(
      new GatewayError('not_found', { detail: 'Nothing here.' }),
      'r1',
    );
    expect(status).toBe(404);
    expect(headers).toEqual({
      ...inertHeaders(true),
      'content-type': 'application/problem+json',
      'x-request-id': 'r1',
    });
    expect(JSON.parse(body)).toEqual({
      title: 'Not Found',
      status: 404,
      code: 'not_found',
      detail: 'Nothing here.',
      requestId: 'r1',
    });
  });

  it.each(['session_required', 'session_expired', 'step_up_required'] as const)(
    'a problem with %s names the login URL and does not trigger the password prompt of browsers (F33)',
    (code) => {
      const { status, headers, body } = problems(new GatewayError(code), 'r1');
      expect(status).toBe(401);
      expect(JSON.parse(body)).toMatchObject({ code, loginUrl: '/auth/login' });
      expect(Object.keys(headers)).not.toContain('www-authenticate');
    },
  );

  it('of a step-up says what the sign-in must bring, and where to sign in for that (H8)', () => {
    const none = { acrValues: [], maxAge: undefined, scopes: [], resources: [] };
    const bodyOf = (stepUp: StepUpRequirement) =>
      JSON.parse(
        problems(new GatewayError('step_up_required', { stepUp, loginUrl: '/auth/login?stepUp=x' }), 'r1')
          .body,
      );
    const required = { acrValues: ['gold'], maxAge: 0, scopes: ['admin'], resources: ['https://api.test'] };
    expect(bodyOf(required)).toMatchObject({ loginUrl: '/auth/login?stepUp=x' });
    expect(bodyOf(required).stepUp).toEqual({ acrValues: ['gold'], maxAge: 0, scopes: ['admin'] });
    expect(bodyOf(none).stepUp).toEqual({});
  });

  it('a problem states when to retry and which methods are allowed', () => {
    expect(
      problems(new GatewayError('store_unavailable', { retryAfterSeconds: 2 }), 'r1').headers,
    ).toMatchObject({
      'retry-after': '2',
    });
    const refused = new GatewayError('method_not_allowed', { allow: ['GET', 'HEAD'] });
    expect(problems(refused, 'r1').headers).toMatchObject({ allow: 'GET, HEAD' });
    expect(problems(new GatewayError('method_not_allowed', { allow: [] }), 'r1').headers).toMatchObject({
      allow: '',
    });
  });

  it('a problem reveals nothing of the cause', () => {
    const cause = new Error('canary');
    const body = problems(new GatewayError('upstream_unreachable', { detail: 'Away.', cause }), 'r1').body;
    expect(body).not.toContain('canary');
  });

  it.each([
    new Error('canary'),
    new TypeError('canary'),
    'canary',
    { status: 404, code: 'canary' },
    undefined,
  ])('an unexpected error reveals nothing of itself in the response: %o', (error) => {
    const { status, body } = problems(error, 'r1');
    expect(status).toBe(500);
    expect(JSON.parse(body)).toEqual({
      title: 'Internal Server Error',
      status: 500,
      code: 'internal_error',
      requestId: 'r1',
    });
  });

  it('a problem contains no markup, whatever text of a URL is in its detail (C23)', () => {
    const reason = '<script>alert("&amp;")</script>';
    const { body } = problems(new GatewayError('login_failed', { reason }), 'r1');
    expect(body).not.toMatch(/[<>&]/);
    expect(JSON.parse(body)).toMatchObject({ code: 'login_failed', reason });
  });
});
