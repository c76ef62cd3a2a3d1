import { describe, expect, it } from 'vitest';
import { isFramed, isNavigation, isPrefetch } from '../../../../src/http/inbound/navigation.ts';

const html = 'text/html,application/xhtml+xml';

describe('isNavigation', () => {
  it.each([
    ['a browser that navigates', { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }, true],
    [
      'Firefox behind a service worker',
      { 'sec-fetch-mode': 'same-origin', 'sec-fetch-dest': 'empty', accept: html },
      true,
    ],
    ['a client without fetch metadata that accepts HTML', { accept: html }, true],
    [
      'a fetch in mode same-origin',
      { 'sec-fetch-mode': 'same-origin', 'sec-fetch-dest': 'empty', accept: '*/*' },
      false,
    ],
    [
      'a fetch that accepts HTML',
      { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', accept: html },
      false,
    ],
    ['an image', { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }, false],
    ['a client without fetch metadata', { accept: '*/*' }, false],
  ])('isNavigation classifies %s', (_what, headers, expected) => {
    expect(isNavigation({ headers })).toBe(expected);
  });
});

describe('isFramed and isPrefetch', () => {
  it.each(['iframe', 'frame', 'embed', 'object', 'fencedframe'])(
    'isFramed is true for the destination %s',
    (destination) => {
      expect(isFramed({ headers: { 'sec-fetch-dest': destination } })).toBe(true);
      expect(isFramed({ headers: { 'sec-fetch-dest': 'document' } })).toBe(false);
    },
  );

  it.each(['prefetch', 'prefetch;prerender', 'prefetch;anonymous-client-ip'])(
    'isPrefetch is true for Sec-Purpose: %s',
    (purpose) => {
      expect(isPrefetch({ headers: { 'sec-purpose': purpose } })).toBe(true);
      expect(isPrefetch({ headers: { purpose: 'prefetch' } })).toBe(true);
      expect(isPrefetch({ headers: { 'x-moz': 'prefetch' } })).toBe(true);
      expect(isPrefetch({ headers: {} })).toBe(false);
    },
  );
});
