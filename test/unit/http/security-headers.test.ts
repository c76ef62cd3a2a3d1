import { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import {
  createPageHeaders,
  inertHeaders,
  setting,
  type SecurityHeaders,
} from '../../../src/http/security-headers.ts';
import { requestOf } from './request.ts';

/** The header fields set on a response. */
function headersBy(set: SecurityHeaders): Record<string, unknown> {
  const response = new ServerResponse(requestOf({}));
  set(response);
  return { ...response.getHeaders() };
}

const createInertHeaders = (secure: boolean) => setting(inertHeaders(secure));

describe('the headers of responses made by the gateway (E22)', () => {
  it('the headers of gateway responses forbid loading, running, framing and caching (E21)', () => {
    expect(headersBy(createInertHeaders(true))).toMatchObject({
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    });
  });

  it('the headers of gateway responses include HSTS for at least a year on https', () => {
    for (const create of [createInertHeaders, createPageHeaders]) {
      expect(headersBy(create(true))['strict-transport-security']).toBe('max-age=63072000');
      expect(headersBy(create(false))).not.toHaveProperty('strict-transport-security');
    }
  });

  it('the headers of gateway responses do not reveal the server software', () => {
    expect(headersBy(createInertHeaders(true))).not.toHaveProperty('x-powered-by');
  });
});

describe('the headers of files of the app (E22)', () => {
  it('the headers of app files forbid what no app needs and leave sources and caching to the app', () => {
    const headers = headersBy(createPageHeaders(true));
    expect(headers).toMatchObject({
      'content-security-policy': "object-src 'none';base-uri 'self';frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'strict-origin-when-cross-origin',
    });
    expect(headers).not.toHaveProperty('cache-control');
    expect(headers).not.toHaveProperty('cross-origin-embedder-policy');
  });
});
