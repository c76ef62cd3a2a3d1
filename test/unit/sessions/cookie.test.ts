import { describe, expect, it } from 'vitest';
import {
  clearCookie,
  cookieName,
  cookieNamesStartingWith,
  readCookie,
  writeCookie,
} from '../../../src/sessions/cookie.ts';

const absent = { kind: 'absent' };
const sid = cookieName('sid', true);

describe('the name of a cookie', () => {
  it('has a prefix on https that prevents sibling hosts, scripts and plain http from setting it (A8)', () => {
    expect(cookieName('coatcheck', true)).toBe('__Host-Http-coatcheck');
    expect(cookieName('coatcheck', false)).toBe('coatcheck');
  });
});

describe('reading a cookie', () => {
  it.each([
    [`${sid}=v`, 'v'],
    [`a=1; ${sid}=v; b=2`, 'v'],
    [`a=1;${sid}=v`, 'v'],
    [`a=1;\t ${sid} = v \t;`, 'v'],
    [`${sid}=a=b=`, 'a=b='],
    [`${sid}=v; ${sid}=v`, 'v'],
    [`x${sid}=no; ${sid}=v; ${sid}x=no`, 'v'],
  ])('finds the value in %j', (header, value) => {
    expect(readCookie(header, sid)).toEqual({ kind: 'value', value });
  });

  it.each([
    undefined,
    '',
    ';;;',
    sid,
    `${sid}=`,
    `__host-http-sid=v`,
    `=${sid}=v`,
    `; =${sid}=v`,
    `a=${sid}=v`,
    `a="; ${sid}"=v`,
    `sid=v`,
    `__Host-sid=v`,
    `__proto__=v; constructor=v`,
    `\u00a0${sid}=v`,
    `${sid}\u00a0=v`,
    `a=1; \u00a0${sid}=v`,
    `a=1;\u00a0 ${sid}=v`,
    `\ufeff${sid}=v`,
    `\v${sid}=v`,
    `\f${sid}=v`,
    `\u0085${sid}=v`,
  ])('finds nothing in %o (E9)', (header) => {
    expect(readCookie(header, sid)).toEqual(absent);
  });

  it.each([
    `${sid}=a; ${sid}=b`,
    `${sid}=a; x=1; ${sid}=a; ${sid}=b`,
    `${sid}=; ${sid}=b`,
    `${sid}=b; ${sid}=`,
  ])('finds nothing when %o has two different values (E9)', (header) => {
    expect(readCookie(header, sid)).toEqual({ kind: 'conflict' });
  });

  it('does not strip a no-break space from a name or a value (E9, GHSA-r5rp-j6wh-rvv4)', () => {
    expect(readCookie(`\u00a0${sid}=planted; ${sid}=own`, sid)).toEqual({ kind: 'value', value: 'own' });
    expect(readCookie(`${sid}=\u00a0own`, sid)).toEqual({ kind: 'value', value: '\u00a0own' });
    expect(cookieNamesStartingWith(`\u00a0${sid}-a=1; ${sid}-b=2`, sid)).toEqual([`${sid}-b`]);
  });

  it('handles a name that is a property of every object', () => {
    expect(readCookie('__proto__=v', '__proto__')).toEqual({ kind: 'value', value: 'v' });
    expect(readCookie('a=1', 'constructor')).toEqual(absent);
  });

  it('handles ten thousand cookies (E9)', () => {
    const manyCookies = Array.from({ length: 10_000 }, (_, at) => `c${at}=${at}`).join('; ');
    expect(readCookie(`${manyCookies}; ${sid}=v`, sid)).toEqual({ kind: 'value', value: 'v' });
    expect(readCookie(manyCookies, sid)).toEqual(absent);
  });
});

describe('the cookie names in a header', () => {
  it('are found by their prefix, each once', () => {
    const header = 'login-b=1; login-a=2; login-b=3; xlogin-c=4; =login-d; login-e; LOGIN-f=5; log=6';
    expect(cookieNamesStartingWith(header, 'login-')).toEqual(['login-b', 'login-a']);
    expect(cookieNamesStartingWith(undefined, 'login-')).toEqual([]);
    expect(cookieNamesStartingWith('a=1', 'login-')).toEqual([]);
  });

  it('exclude names that are not valid', () => {
    expect(
      cookieNamesStartingWith('login-a login-b=1; login-"=2; login-\u00e9=3; login-c=4', 'login-'),
    ).toEqual(['login-c']);
  });
});

describe('writing a cookie', () => {
  it('sets the attributes that keep it to this host, away from scripts and off plain http (A4–A7)', () => {
    expect(writeCookie(sid, 'v', { secure: true, sameSite: 'strict' })).toBe(
      '__Host-Http-sid=v; Path=/; HttpOnly; Secure; SameSite=Strict',
    );
    expect(writeCookie('sid', 'v', { secure: false, sameSite: 'lax', maxAge: 600 })).toBe(
      'sid=v; Path=/; Max-Age=600; HttpOnly; SameSite=Lax',
    );
  });

  it('sets no expiry without a maximum age, so that it ends with the browser session (E13)', () => {
    expect(writeCookie(sid, 'v', { secure: true, sameSite: 'strict' })).not.toMatch(
      /max-age|expires|domain/i,
    );
  });

  it('clears it with the attributes it was set with, because browsers would keep it otherwise (D3)', () => {
    expect(clearCookie(sid, { secure: true, sameSite: 'strict' })).toBe(
      '__Host-Http-sid=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict',
    );
    expect(clearCookie('sid', { secure: false, sameSite: 'lax', maxAge: 600 })).toBe(
      'sid=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax',
    );
  });
});
