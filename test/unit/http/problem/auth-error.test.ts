import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../../src/errors.ts';
import { authErrorOf, withAuthError, withoutAuthError } from '../../../../src/http/problem/auth-error.ts';

describe('withAuthError', () => {
  it.each([
    ['/', '/?auth_error=refused&auth_request_id=r1'],
    ['/inbox', '/inbox?auth_error=refused&auth_request_id=r1'],
    ['/inbox?', '/inbox?auth_error=refused&auth_request_id=r1'],
    ['/#/inbox?a=b', '/?auth_error=refused&auth_request_id=r1#/inbox?a=b'],
    ['/inbox?a=b%20c&d#last', '/inbox?a=b%20c&d&auth_error=refused&auth_request_id=r1#last'],
    [
      '/inbox?auth_error=old&a=1&auth%5Frequest_id=r0&auth_errors=x',
      '/inbox?a=1&auth_errors=x&auth_error=refused&auth_request_id=r1',
    ],
  ])('adds to %s', (path, expected) => {
    expect(withAuthError(path, 'refused', 'r1')).toBe(expected);
  });
});

it.each([
  ['/', '/'],
  ['/inbox?a=b%20c#last', '/inbox?a=b%20c#last'],
  ['/inbox?auth_error=refused&auth_request_id=r1', '/inbox'],
  ['/inbox?a=1&auth_error=refused&auth_request_id=r1#last', '/inbox?a=1#last'],
])('withoutAuthError removes an earlier failure from %s', (path, expected) => {
  expect(withoutAuthError(path)).toBe(expected);
});

it.each([
  [new GatewayError('login_denied'), 'access_denied'],
  [new GatewayError('store_unavailable'), 'store_unavailable'],
  [new GatewayError('provider_unavailable'), 'provider_unavailable'],
  [new GatewayError('login_failed'), 'refused'],
  [new GatewayError('login_failed', { authError: 'login_required' }), 'login_required'],
  [new Error('unexpected'), 'refused'],
])('authErrorOf reads %s', (error, expected) => {
  expect(authErrorOf(error)).toBe(expected);
});
