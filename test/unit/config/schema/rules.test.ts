import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../../src/provider/read-config.ts';
import { minimal, problemsWith, route } from '../sample.ts';

describe('rules between keys', () => {
  it('rules between keys run even when unrelated keys are invalid', () => {
    const problems = problemsWith({
      nonsense: 1,
      listen: 'nowhere',
      baseUrl: 'http://app.example.com',
      refresh: { timeout: '40s', retries: 'many' },
      routes: [{ ...route, auth: 'maybe' }, { path: 7 }, route],
    });
    expect(problems.map((text) => text.split(': ')[0])).toEqual(
      expect.arrayContaining([
        'nonsense',
        'listen',
        'baseUrl',
        'refresh.retries',
        'refresh.lockTtl',
        'routes[0].auth',
        'routes[1].path',
        'routes[1].upstream',
        'routes[2].path',
      ]),
    );
    expect(problems).toHaveLength(9);
  });

  it('rules between keys report nothing about keys that are invalid themselves', () => {
    expect(problemsWith({ allowInsecureHttp: 'maybe', baseUrl: 'http://app.example.com' })).toHaveLength(1);
    expect(problemsWith({ refresh: { timeout: 'long', lockTtl: '1ms' } })).toHaveLength(1);
    expect(problemsWith({ routes: 'none' })).toHaveLength(1);
    expect(problemsWith({ routes: [null, route] })).toHaveLength(1);
    expect(problemsWith({ session: [], login: 1 })).toHaveLength(2);
  });

  it('rules between keys reject a delay of the shutdown that leaves less than half of its time', () => {
    expect(parseConfig({ ...minimal, shutdownDelay: '5s', shutdownTimeout: '10s' }).shutdownDelay).toBe(
      5_000,
    );
    expect(problemsWith({ shutdownDelay: '6s', shutdownTimeout: '10s' })).toEqual([
      'shutdownDelay: expected at most half of shutdownTimeout, got "6s"',
    ]);
  });

  it('rules between keys reject one address for both listeners, unless the system chooses the ports', () => {
    const admin = { listen: '127.0.0.1:3000' };
    expect(problemsWith({ listen: '127.0.0.1:3000', admin })).toEqual([
      'admin.listen: expected an address that differs from listen, got a string of 14 characters',
    ]);
    expect(() =>
      parseConfig({ ...minimal, listen: '127.0.0.1:0', admin: { listen: '127.0.0.1:0' } }),
    ).not.toThrow();
  });
});
