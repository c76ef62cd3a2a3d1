import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { valuesOf } from '../../../../testkit/network/header-list.ts';
import { KEY_FIELD, UPGRADE } from './handshake.ts';
import {
  ambiguousFields,
  climbingPaths,
  forbiddenFields,
  foreignTargets,
  unusualTargets,
} from '../hostile.ts';
import { type Fixture, namesOf, openFixture } from '../fixture.ts';

let fixture: Fixture;
let own: string;

beforeAll(async () => {
  fixture = await openFixture();
  own = `Origin: ${fixture.gateway.url}`;
});

beforeEach(() => {
  fixture.reset();
  fixture.upstream.upgrades.length = 0;
});

afterAll(() => fixture.close());

/** Requests an upgrade, and returns the status of the response, or `closed` without one. */
async function ask(requestLine: string, fields: readonly string[] = [own, ...UPGRADE], body = '') {
  const connection = await fixture.open();
  connection.write(fixture.head(requestLine, ...fields) + body);
  try {
    return (await connection.readResponse()).status;
  } catch {
    return 'closed';
  } finally {
    connection.close();
  }
}

describe('the target of an upgrade', () => {
  it.each([...foreignTargets, ...climbingPaths('/socket')])(
    'is rejected like that of a request: %s (standards: A14, A15, F13, F15, F16, F24)',
    async (target) => {
      expect(await ask(`GET ${target} HTTP/1.1`)).toBe(400);
      expect(fixture.upstream.upgrades).toEqual([]);
    },
  );

  it.each(unusualTargets('/socket'))('is forwarded unchanged: %s (standards: F13)', async (target) => {
    expect(await ask(`GET ${target} HTTP/1.1`)).toBe(101);
    expect(fixture.upstream.upgrades.map((upgrade) => upgrade.target)).toEqual([target]);
  });
});

describe('the header fields of an upgrade', () => {
  it('include none that only the gateway may set (standards: F3, F6, F9, A17)', async () => {
    expect(await ask('GET /socket/live HTTP/1.1', [own, ...UPGRADE, ...forbiddenFields])).toBe(101);
    const [upgrade] = fixture.upstream.upgrades;
    expect(namesOf(upgrade?.headers ?? []).toSorted()).toEqual([
      'authorization',
      'connection',
      'host',
      'origin',
      'sec-fetch-site',
      'sec-websocket-key',
      'sec-websocket-version',
      'traceparent',
      'upgrade',
      'x-forwarded-for',
      'x-forwarded-host',
      'x-forwarded-proto',
      'x-request-id',
    ]);
    expect(JSON.stringify(upgrade?.headers)).not.toMatch(/attacker|root|6\.6\.6\.6|evil|chosen/);
  });

  it.each(ambiguousFields)(
    'include none that another server could read differently: %s (standards: F7, F23)',
    async (field) => {
      expect(await ask('GET /socket/live HTTP/1.1', [own, ...UPGRADE, field])).toBe(101);
      const [name = ''] = field.split(':');
      const [upgrade] = fixture.upstream.upgrades;
      expect(namesOf(upgrade?.headers ?? [])).not.toContain(name.toLowerCase());
    },
  );

  it('keep those of the gateway when Connection names them (standards: F1, F2)', async () => {
    const nominated =
      'Connection: Upgrade, authorization, x-forwarded-for, x-forwarded-host, traceparent, host, X-Mine';
    const fields = UPGRADE.filter((field) => !field.startsWith('Connection'));
    expect(await ask('GET /socket/live HTTP/1.1', [own, ...fields, nominated, 'X-Mine: 1'])).toBe(101);
    const [upgrade] = fixture.upstream.upgrades;
    for (const name of ['authorization', 'x-forwarded-for', 'x-forwarded-host', 'traceparent', 'host']) {
      expect(valuesOf(upgrade?.headers ?? [], name)).toHaveLength(1);
    }
    expect(namesOf(upgrade?.headers ?? [])).not.toContain('x-mine');
    expect(valuesOf(upgrade?.headers ?? [], 'connection')).toEqual(['Upgrade']);
  });
});

describe('an upgrade is rejected', () => {
  it.each([
    ['in HTTP/1.0', 'GET /socket/live HTTP/1.0', UPGRADE, ''],
    ['in HTTP/2.0', 'GET /socket/live HTTP/2.0', UPGRADE, ''],
    ['without a key', 'GET /socket/live HTTP/1.1', UPGRADE.filter((field) => field !== KEY_FIELD), ''],
    [
      'with an invalid key',
      'GET /socket/live HTTP/1.1',
      [...UPGRADE.filter((field) => field !== KEY_FIELD), 'Sec-WebSocket-Key: x'],
      '',
    ],
    ['with two keys', 'GET /socket/live HTTP/1.1', [...UPGRADE, KEY_FIELD], ''],
    ['with two Upgrade fields', 'GET /socket/live HTTP/1.1', [...UPGRADE, 'Upgrade: websocket'], ''],
    ['with two Host fields', 'GET /socket/live HTTP/1.1', [...UPGRADE, 'Host: evil.example'], ''],
    ['with a body', 'GET /socket/live HTTP/1.1', [...UPGRADE, 'Content-Length: 5'], 'hello'],
    ['with chunked', 'GET /socket/live HTTP/1.1', [...UPGRADE, 'Transfer-Encoding: chunked'], '0\r\n\r\n'],
    [
      'with another transfer coding',
      'GET /socket/live HTTP/1.1',
      [...UPGRADE, 'Transfer-Encoding: identity, chunked'],
      '0\r\n\r\n',
    ],
    [
      'with Content-Length and chunked',
      'GET /socket/live HTTP/1.1',
      [...UPGRADE, 'Content-Length: 4', 'Transfer-Encoding: chunked'],
      '0\r\n\r\n',
    ],
    ['with a folded field', 'GET /socket/live HTTP/1.1', [...UPGRADE, 'X-A: a', ' b'], ''],
    ['with a bare LF', 'GET /socket/live HTTP/1.1', [...UPGRADE, 'X-A: a\nX-B: b'], ''],
    ['with a NUL', 'GET /socket/live HTTP/1.1', [...UPGRADE, 'X-A: a\0'], ''],
    ['with a space before a colon', 'GET /socket/live HTTP/1.1', [...UPGRADE, 'X-A : a'], ''],
  ] as const)('%s (standards: F5, F17, F26)', async (_what, requestLine, fields, body) => {
    expect(await ask(requestLine, [own, ...fields], body)).toBe(400);
    expect(fixture.upstream.upgrades).toEqual([]);
    expect(fixture.upstream.requests).toEqual([]);
  });

  it.each([
    ['sent twice', ['ORIGIN', 'ORIGIN']],
    ['sent with the right and a wrong value', ['ORIGIN', 'https://evil.example']],
    ['sent with a final dot', ['ORIGIN.']],
    ['sent with a path', ['ORIGIN/']],
    ['sent in another letter case', ['HTTP://127.0.0.1']],
  ])('for the Origin %s (standards: F24)', async (_what, origins) => {
    const fields = origins.map((origin) => `Origin: ${origin.replace('ORIGIN', fixture.gateway.url)}`);
    expect(await ask('GET /socket/live HTTP/1.1', [...fields, ...UPGRADE])).toBe(403);
    expect(fixture.upstream.upgrades).toEqual([]);
  });

  it('after a malformed request on the same connection (standards: F5)', async () => {
    const connection = await fixture.open();
    connection.write(`GET /public/../x HTTP/1.1\r\nHost: ${fixture.host}\r\n\r\n`);
    connection.write(fixture.head('GET /socket/live HTTP/1.1', own, ...UPGRADE));
    await connection.ended;
    expect(connection.pending().toString('latin1')).not.toContain('HTTP/1.1 101');
    expect(fixture.upstream.upgrades).toEqual([]);
    connection.close();
  });
});
