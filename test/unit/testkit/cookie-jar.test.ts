import { describe, expect, it } from 'vitest';
import { createCookieJar } from '../../../testkit/user-agent/cookie-jar.ts';

const APP = new URL('https://app.example.test/auth/callback');
const LOOPBACK = new URL('http://127.0.0.1:3000/');
const SAME_SITE = { crossSite: false, topLevelGet: true };
const LINK_FROM_ELSEWHERE = { crossSite: true, topLevelGet: true };
const FORM_FROM_ELSEWHERE = { crossSite: true, topLevelGet: false };

describe('the cookie jar', () => {
  it('sends a cookie only below its path, and one without a path below the directory that set it', () => {
    const jar = createCookieJar();
    jar.store(APP, 'a=1; Path=/auth');
    jar.store(APP, 'b=2');
    expect(jar.header(new URL('/auth', APP), SAME_SITE)).toBe('a=1; b=2');
    expect(jar.header(new URL('/authority', APP), SAME_SITE)).toBeUndefined();
  });

  it('replaces a cookie of the same name and path, and deletes it on request', () => {
    const jar = createCookieJar();
    jar.store(APP, 'a=1; Path=/');
    jar.store(APP, 'a=2; Path=/');
    expect(jar.all()).toMatchObject([{ name: 'a', value: '2' }]);
    jar.store(APP, 'a=; Path=/; Max-Age=0');
    expect(jar.all()).toEqual([]);
    jar.store(APP, 'a=3; Path=/');
    jar.store(APP, 'a=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT');
    expect(jar.get('a')).toBeUndefined();
    expect(jar.lines).toHaveLength(5);
  });

  it('deletes a cookie when it expires', () => {
    let nowMs = 1_000_000;
    const jar = createCookieJar(() => nowMs);
    jar.store(APP, 'a=1; Path=/; Max-Age=10');
    nowMs += 9_999;
    expect(jar.header(APP, SAME_SITE)).toBe('a=1');
    nowMs += 1;
    expect(jar.header(APP, SAME_SITE)).toBeUndefined();
  });

  it('separates origins', () => {
    const jar = createCookieJar();
    jar.store(APP, 'a=1; Path=/');
    expect(jar.header(new URL('https://app.example.test:8443/'), SAME_SITE)).toBeUndefined();
  });

  it('sends Secure cookies only over https and on loopback', () => {
    const jar = createCookieJar();
    jar.store(new URL('http://app.example.test/'), 'a=1; Secure');
    expect(jar.all()).toEqual([]);
    jar.store(LOOPBACK, 'a=1; Secure');
    expect(jar.header(LOOPBACK, SAME_SITE)).toBe('a=1');
  });

  it.each([
    ['Strict', undefined, undefined],
    ['Lax', 'a=1', undefined],
    ['None', 'a=1', 'a=1'],
    ['', 'a=1', undefined],
  ])('applies SameSite=%s', (value, onLink, onForm) => {
    const jar = createCookieJar();
    jar.store(APP, `a=1; Secure; Path=/; SameSite=${value}`);
    expect(jar.header(APP, SAME_SITE)).toBe('a=1');
    expect(jar.header(APP, LINK_FROM_ELSEWHERE)).toBe(onLink);
    expect(jar.header(APP, FORM_FROM_ELSEWHERE)).toBe(onForm);
  });

  it.each([
    '__Host-a=1; Path=/',
    '__Host-a=1; Secure; Path=/auth',
    '__Host-a=1; Secure',
    '__Host-a=1; Secure; Path=/; Domain=example.test',
    '__Host-Http-a=1; Secure; Path=/',
    '__Http-a=1; Secure; Path=/',
    '__Secure-a=1; Path=/',
    '=1',
    'a',
  ])('drops the cookie %j', (line) => {
    const jar = createCookieJar();
    jar.store(APP, line);
    expect(jar.all()).toEqual([]);
  });

  it('keeps a prefixed cookie with valid attributes, and a deletion without them does not remove it', () => {
    const jar = createCookieJar();
    jar.store(APP, '__Host-Http-a=1; Secure; HttpOnly; Path=/');
    jar.store(APP, '__Host-Http-a=; Max-Age=0; Path=/');
    expect(jar.get('__Host-Http-a')?.value).toBe('1');
  });

  it('hides HttpOnly cookies from scripts', () => {
    const jar = createCookieJar();
    jar.store(APP, 'a=1; Path=/; HttpOnly');
    jar.store(APP, 'b=2; Path=/');
    expect(jar.visibleToScripts(APP)).toBe('b=2');
  });
});
