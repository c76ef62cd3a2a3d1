import { describe, expect, it } from 'vitest';
import { nearest } from '../../../../src/config/diagnostics/nearest.ts';
import { minimal, problemsWith, routeProblems } from '../sample.ts';

describe('an unknown configuration key', () => {
  it('an unknown key is rejected with the nearest known key of its level', () => {
    expect(problemsWith({ sesion: {} })).toEqual(['sesion: unknown key "sesion"; did you mean "session"?']);
    expect(problemsWith({ provider: { ...minimal.provider, client_id: 'x' } })).toEqual([
      'provider.client_id: unknown key "client_id"; did you mean "clientId"?',
    ]);
    expect(problemsWith({ session: { ...minimal.session, cookie: { samesite: 'lax' } } })).toEqual([
      'session.cookie.samesite: unknown key "samesite"; did you mean "sameSite"?',
    ]);
    expect(routeProblems({ timeouts: {} })).toEqual([
      'timeouts: unknown key "timeouts"; did you mean "timeout"?',
    ]);
  });

  it('an unknown key is rejected with all known keys when none is near', () => {
    expect(problemsWith({ csrf: { enabled: true } })).toEqual([
      'csrf.enabled: unknown key "enabled"; known keys here: mode',
    ]);
  });

  it('each unknown key is a separate problem', () => {
    expect(problemsWith({ one: 1, two: 2, log: { three: 3 } })).toHaveLength(3);
  });

  it('an unknown key is reported even when its name is a property of every object', () => {
    const input: Record<string, unknown> = JSON.parse('{"__proto__": {}, "constructor": 1, "toString": 1}');
    const keys = Object.fromEntries(Object.entries(input).filter(([key]) => key !== '__proto__'));
    expect(problemsWith(keys)).toHaveLength(2);
  });

  it('an unknown key is not shown when it may be a misplaced value', () => {
    const problems = problemsWith({ provider: { ...minimal.provider, 'clientSecret:canary': null } });
    expect(problems).toEqual([
      expect.stringMatching(/^provider\["…"\]: unknown key "…"; known keys here: type, /),
    ]);
  });
});

describe('nearest', () => {
  it('finds a word that differs in case or by missing, added or wrong letters', () => {
    const words = ['session', 'secrets', 'spa', 'log'];
    expect(nearest('SESSION', words)).toBe('session');
    expect(nearest('secret', words)).toBe('secrets');
    expect(nearest('sppa', words)).toBe('spa');
    expect(nearest('lag', words)).toBe('log');
  });

  it('finds no word when too many letters differ', () => {
    expect(nearest('cookies', ['session', 'log'])).toBeUndefined();
    expect(nearest('a', ['spa', 'log'])).toBeUndefined();
    expect(nearest('', ['log'])).toBeUndefined();
  });
});
