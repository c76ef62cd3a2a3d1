import { describe, expect, it, test } from 'vitest';
import { parseConfig } from '../../../../src/provider/read-config.ts';
import { minimal, problemsWith, route } from '../sample.ts';

const withRoute = (keys: Record<string, unknown>) => problemsWith({ routes: [{ ...route, ...keys }] });

describe('rules over claims', () => {
  it('are read from one key each', () => {
    const require = [
      { claim: '/https:~1~1acme.example~1roles', contains: 'admin' },
      { any: [{ scope: 'items.write' }, { not: { acr: 'silver' } }] },
    ];
    const { routes } = parseConfig({ ...minimal, routes: [{ ...route, require }] });
    expect(routes[0]?.require).toEqual([
      { kind: 'claim', claim: ['https://acme.example/roles'], test: { kind: 'contains', value: 'admin' } },
      {
        kind: 'any',
        rules: [
          { kind: 'scope', scope: 'items.write' },
          { kind: 'not', rule: { kind: 'acr', acr: 'silver' } },
        ],
      },
    ]);
  });

  test.each([
    [[{ clam: '/a', equals: 1 }], 'did you mean "claim"?'],
    [[{ claim: 'a', equals: 1 }], 'expected a JSON Pointer'],
    [[{ claim: '/a' }], 'expected exactly one of equals, contains, endsWith, in'],
    [[{ claim: '/a', equals: 1, in: [1] }], 'expected exactly one of equals, contains, endsWith, in'],
    [[{ scope: 'a', acr: 'b' }], 'expected exactly one of claim, scope, acr, any, not'],
    [[{ scope: 'a', equals: 'b' }], 'expected equals beside claim only'],
    [[{ scope: 'a b' }], 'expected one scope'],
    [[{ claim: '/a', equals: 1.5 }], 'expected a text, a whole number, true or false'],
    [[{ any: [] }], 'expected at least one rule'],
    [[{}], 'expected exactly one of claim, scope, acr, any, not'],
    [{}, 'expected a list of rules'],
  ])('report a mistake: %j', (require, message) => {
    expect(withRoute({ require }).join('\n')).toContain(message);
    expect(problemsWith({ login: { require } }).join('\n')).toContain(message);
  });

  it('are rejected on a route without sessions', () => {
    expect(withRoute({ auth: 'none', require: [{ acr: 'gold' }] })).toEqual([
      expect.stringMatching(/^routes\[0\]\.require: a route with auth: none has no session/),
    ]);
  });
});

describe('the identity of a route', () => {
  const jwt = { header: 'X-Identity', audience: 'https://api.internal' };

  test.each([
    [{ headers: { 'X-User': 'sub' } }, 'expected a JSON Pointer'],
    [{ headers: { X_User: '/sub' } }, 'expected a header name of letters, digits and hyphens'],
    [{ headers: { Authorization: '/sub' } }, 'the gateway sets this field itself'],
    [{ headers: { 'X-Forwarded-For': '/sub' } }, 'the gateway sets this field itself'],
    [{ headers: { 'X-User': '/sub', 'x-user': '/email' } }, 'another key of this route sets this field'],
    [{ headers: { 'X-Set': '/sub' } }, 'another key of this route sets this field'],
    [{ jwt }, 'expected a key in keys'],
    [{ jwt: { ...jwt, claims: ['exp'] } }, 'the gateway sets this claim itself'],
    [{ jwt: { ...jwt, lifetime: '1h' } }, 'at most 10m'],
    [{ jwt: { header: 'X-Identity' } }, 'expected an audience'],
  ])('reports a mistake: %j', (identity, message) => {
    expect(withRoute({ identity, requestHeaders: { set: { 'x-set': '1' } } }).join('\n')).toContain(message);
  });

  it('is rejected on a route without sessions', () => {
    expect(withRoute({ auth: 'none', identity: { headers: { 'X-User': '/sub' } } })).toEqual([
      expect.stringMatching(/^routes\[0\]\.identity: a route with auth: none has no session/),
    ]);
  });
});
