import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { valuesOf } from '../../../../testkit/network/header-list.ts';
import { respondEarly } from '../../../../testkit/upstream/behaviours.ts';
import { type Fixture, codeOf, namesOf, openFixture } from '../fixture.ts';

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
const EXPECT = ['Expect: 100-continue', 'Content-Length: 4'];

let fixture: Fixture;

beforeAll(async () => {
  fixture = await openFixture({
    routes: [
      { path: '/small', maxBody: '2' },
      { path: '/streamed', replayBody: '0' },
      { path: '/reading', methods: ['GET'] },
    ],
  });
});

beforeEach(() => fixture.reset());

afterAll(() => fixture.close());

it('Expect: 100-continue gets a 100 after the checks and the body is forwarded without Expect', async () => {
  for (const path of ['/api/one', '/streamed/one', '/public/one']) {
    const connection = await fixture.open();
    connection.write(fixture.head(`POST ${path} HTTP/1.1`, ...EXPECT, 'Authorization: Bearer attacker'));
    expect((await connection.readUntil('\r\n\r\n')).toString()).toBe(CONTINUE);
    connection.write('body');
    const response = await connection.readResponse('POST');
    expect([response.status, response.interim]).toEqual([200, []]);
    const { headers, body } = fixture.received();
    expect(body.toString()).toBe('body');
    expect(namesOf(headers)).not.toContain('expect');
    expect(namesOf(headers)).not.toContain('cookie');
    expect(valuesOf(headers, 'authorization').join()).not.toContain('attacker');
    connection.close();
  }
});

it('Expect: 100-continue gets a 100 for a chunked body but not for a request without a body', async () => {
  const connection = await fixture.open();
  connection.write(
    fixture.head('POST /api/one HTTP/1.1', 'Expect: 100-continue', 'Transfer-Encoding: chunked'),
  );
  expect((await connection.readUntil('\r\n\r\n')).toString()).toBe(CONTINUE);
  connection.write('4\r\nbody\r\n0\r\n\r\n');
  expect((await connection.readResponse('POST')).status).toBe(200);

  connection.write(fixture.head('GET /api/one HTTP/1.1', 'Expect: 100-continue'));
  expect(await connection.readResponse()).toMatchObject({ status: 200, interim: [] });
  connection.close();
});

it('Expect: 100-continue with a body that is sent immediately is accepted', async () => {
  const connection = await fixture.open();
  connection.write(fixture.head('POST /api/one HTTP/1.1', ...EXPECT) + 'body');
  expect(await connection.readResponse('POST')).toMatchObject({ status: 200, interim: [{ status: 100 }] });
  connection.write(fixture.head('GET /api/two HTTP/1.1'));
  expect((await connection.readResponse()).status).toBe(200);
  expect(fixture.upstream.requests.map(({ target }) => target)).toEqual(['/api/one', '/api/two']);
  connection.close();
});

const SAME_ORIGIN = 'Sec-Fetch-Site: same-origin';
const FOREIGN = 'Origin: https://evil.example';

it.each([
  ['without a session', 401, 'session_required', '/api/one', [SAME_ORIGIN]],
  ['from another site', 403, 'csrf_rejected', '/api/one', ['Sec-Fetch-Site: cross-site']],
  ['with a foreign Origin', 403, 'origin_rejected', '/api/one', [SAME_ORIGIN, FOREIGN]],
  ['with a method that is not allowed', 405, 'method_not_allowed', '/reading/one', [SAME_ORIGIN]],
  ['with a body that is too large', 413, 'body_too_large', '/small/one', [SAME_ORIGIN]],
  ['for an unknown path', 404, 'not_found', '/nothing', [SAME_ORIGIN]],
])(
  'Expect: 100-continue on a request %s gets the error without a 100',
  async (_what, status, code, path, fields) => {
    const connection = await fixture.open();
    const cookie = status === 401 ? [] : [`Cookie: ${fixture.ticket}`];
    const head = [`POST ${path} HTTP/1.1`, `Host: ${fixture.host}`, ...cookie, ...fields, ...EXPECT, '', ''];
    connection.write(head.join('\r\n'));
    const response = await connection.readResponse('POST');
    expect([response.status, codeOf(response), response.interim]).toEqual([status, code, []]);
    // The next bytes could be the body or another request.
    expect(response.header('connection')).toBe('close');
    await connection.ended;
    expect(fixture.upstream.requests).toEqual([]);
    connection.close();
  },
);

it('Expect is ignored on an HTTP/1.0 request', async () => {
  for (const expectation of ['100-continue', 'miracles']) {
    const connection = await fixture.open();
    connection.write(
      fixture.head('POST /api/one HTTP/1.0', `Expect: ${expectation}`, 'Content-Length: 4') + 'body',
    );
    expect(await connection.readResponse('POST')).toMatchObject({ status: 200, interim: [] });
    expect(fixture.received().body.toString()).toBe('body');
    connection.close();
  }
});

it('an Expect other than 100-continue gets a 417', async () => {
  const response = await fixture.send(
    'POST /api/one HTTP/1.1',
    ['Expect: miracles', 'Content-Length: 4'],
    'body',
  );
  expect(response.status).toBe(417);
  expect(fixture.upstream.requests).toEqual([]);
});

it('a client that received 100 can read the later error without a connection reset', async () => {
  fixture.upstream.respond((request) => void request.socket.destroy());
  const connection = await fixture.open();
  connection.write(
    fixture.head('POST /streamed/one HTTP/1.1', 'Expect: 100-continue', 'Content-Length: 2000000'),
  );
  await connection.readUntil(CONTINUE);
  connection.write('x'.repeat(1_000_000));
  const response = await connection.readResponse('POST');
  expect([response.status, codeOf(response)]).toEqual([502, 'upstream_unreachable']);
  let wasReset = false;
  connection.socket.once('error', () => (wasReset = true));
  connection.write('x'.repeat(1_000_000));
  await connection.ended;
  expect(wasReset).toBe(false);
  connection.close();
});

it('an early response from the upstream is forwarded after 100', async () => {
  fixture.upstream.respond(respondEarly(413));
  const connection = await fixture.open();
  connection.write(
    fixture.head('POST /streamed/one HTTP/1.1', 'Expect: 100-continue', 'Content-Length: 1000000'),
  );
  await connection.readUntil(CONTINUE);
  connection.write('x'.repeat(1000));
  expect((await connection.readResponse('POST')).status).toBe(413);
  connection.close();
});
