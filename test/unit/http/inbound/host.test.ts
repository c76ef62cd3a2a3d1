import { describe, expect, it } from 'vitest';
import { createHostCheck } from '../../../../src/http/inbound/host.ts';
import { requestOf } from '../request.ts';

/** The result of the host check: undefined, or the error code. */
function askFor(
  host: string | undefined,
  baseUrl = 'https://app.example.com',
  allowed: readonly string[] = [],
) {
  const headers = host === undefined ? [] : [['Host', host] as const];
  return refusal(() => createHostCheck(baseUrl, allowed)(requestOf({ headers })));
}

function refusal(check: () => void): unknown {
  try {
    check();
    return undefined;
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}

describe('the host of a request', () => {
  it.each([
    ['app.example.com', 'https://app.example.com'],
    ['APP.Example.COM', 'https://app.example.com'],
    ['app.example.com:443', 'https://app.example.com'],
    ['app.example.com:80', 'http://app.example.com'],
    ['127.0.0.1:3000', 'http://127.0.0.1:3000'],
    ['[::1]:3000', 'http://[::1]:3000'],
  ])('the host %o is that of %s', (host, baseUrl) => {
    expect(askFor(host, baseUrl)).toBeUndefined();
  });

  it.each([
    undefined,
    '',
    'evil.test',
    'app.example.com.',
    'app.example.com.evil.test',
    'evil.app.example.com',
    'xapp.example.com',
    'app.example.com:1',
    'app.example.com:80',
    'app.example.com:',
    'app.example.com:443:443',
    'app.example.com@evil.test',
    'user@app.example.com',
    'app.example.com/x',
    'app.example.com, evil.test',
    ' app.example.com',
    '127.0.0.1',
  ])('the host %o is rejected (F17)', (host) => {
    expect(askFor(host)).toBe('wrong_host');
  });

  it('the host includes its port unless it is the default port of the scheme', () => {
    expect(askFor('app.example.com', 'https://app.example.com:8443')).toBe('wrong_host');
    expect(askFor('app.example.com:443', 'https://app.example.com:8443')).toBe('wrong_host');
    expect(askFor('app.example.com:8443', 'https://app.example.com:8443')).toBeUndefined();
  });

  it('the host may be an allowed host, spelled exactly as allowed', () => {
    const allowed = ['Internal:3000', 'app.example.net'];
    expect(askFor('internal:3000', undefined, allowed)).toBeUndefined();
    expect(askFor('app.example.net', undefined, allowed)).toBeUndefined();
    expect(askFor('internal', undefined, allowed)).toBe('wrong_host');
    expect(askFor('app.example.net:443', undefined, allowed)).toBe('wrong_host');
  });

  it('the Host header may appear only once, even with the same value (F17)', () => {
    const check = createHostCheck('https://app.example.com', []);
    for (const second of ['app.example.com', 'evil.test']) {
      const headers = [
        ['Host', 'app.example.com'],
        ['hOsT', second],
      ] as const;
      expect(refusal(() => check(requestOf({ headers })))).toBe('bad_request');
    }
  });
});
