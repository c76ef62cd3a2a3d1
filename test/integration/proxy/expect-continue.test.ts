import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { valuesOf } from '../../../testkit/header-list.ts';
import { respondEarly } from '../../../testkit/upstream/behaviours.ts';
import { type Stage, codeOf, namesOf, openStage } from './fixture.ts';

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
const EXPECT = ['Expect: 100-continue', 'Content-Length: 4'];

let stage: Stage;

beforeAll(async () => {
  stage = await openStage({
    routes: [
      { path: '/small', maxBody: '2' },
      { path: '/streamed', replayBody: '0' },
      { path: '/reading', methods: ['GET'] },
    ],
  });
});

beforeEach(() => stage.reset());

afterAll(() => stage.close());

it('Expect: 100-continue gets a 100 after the checks and the body is forwarded without Expect', async () => {
  for (const path of ['/api/one', '/streamed/one', '/public/one']) {
    const connection = await stage.open();
    connection.write(stage.head(`POST ${path} HTTP/1.1`, ...EXPECT, 'Authorization: Bearer attacker'));
    expect((await connection.readUntil('\r\n\r\n')).toString()).toBe(CONTINUE);
    connection.write('body');
    const answer = await connection.readResponse('POST');
    expect([answer.status, answer.interim]).toEqual([200, []]);
    const { headers, body } = stage.received();
    expect(body.toString()).toBe('body');
    expect(namesOf(headers)).not.toContain('expect');
    expect(namesOf(headers)).not.toContain('cookie');
    expect(valuesOf(headers, 'authorization').join()).not.toContain('attacker');
    connection.close();
  }
});

it('Expect: 100-continue gets a 100 for a chunked body but not for a request without a body', async () => {
  const connection = await stage.open();
  connection.write(
    stage.head('POST /api/one HTTP/1.1', 'Expect: 100-continue', 'Transfer-Encoding: chunked'),
  );
  expect((await connection.readUntil('\r\n\r\n')).toString()).toBe(CONTINUE);
  connection.write('4\r\nbody\r\n0\r\n\r\n');
  expect((await connection.readResponse('POST')).status).toBe(200);

  connection.write(stage.head('GET /api/one HTTP/1.1', 'Expect: 100-continue'));
  expect(await connection.readResponse()).toMatchObject({ status: 200, interim: [] });
  connection.close();
});

it('Expect: 100-continue with a body that is sent immediately is accepted', async () => {
  const connection = await stage.open();
  connection.write(stage.head('POST /api/one HTTP/1.1', ...EXPECT) + 'body');
  expect(await connection.readResponse('POST')).toMatchObject({ status: 200, interim: [{ status: 100 }] });
  connection.write(stage.head('GET /api/two HTTP/1.1'));
  expect((await connection.readResponse()).status).toBe(200);
  expect(stage.upstream.requests.map(({ target }) => target)).toEqual(['/api/one', '/api/two']);
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
    const connection = await stage.open();
    const cookie = status === 401 ? [] : [`Cookie: ${stage.ticket}`];
    const head = [`POST ${path} HTTP/1.1`, `Host: ${stage.host}`, ...cookie, ...fields, ...EXPECT, '', ''];
    connection.write(head.join('\r\n'));
    const answer = await connection.readResponse('POST');
    expect([answer.status, codeOf(answer), answer.interim]).toEqual([status, code, []]);
    // What comes next could be the body or another request: nobody can tell.
    expect(answer.header('connection')).toBe('close');
    await connection.ended;
    expect(stage.upstream.requests).toEqual([]);
    connection.close();
  },
);

it('Expect is ignored on an HTTP/1.0 request', async () => {
  for (const expectation of ['100-continue', 'miracles']) {
    const connection = await stage.open();
    connection.write(
      stage.head('POST /api/one HTTP/1.0', `Expect: ${expectation}`, 'Content-Length: 4') + 'body',
    );
    expect(await connection.readResponse('POST')).toMatchObject({ status: 200, interim: [] });
    expect(stage.received().body.toString()).toBe('body');
    connection.close();
  }
});

it('an Expect other than 100-continue gets a 417', async () => {
  const answer = await stage.send(
    'POST /api/one HTTP/1.1',
    ['Expect: miracles', 'Content-Length: 4'],
    'body',
  );
  expect(answer.status).toBe(417);
  expect(stage.upstream.requests).toEqual([]);
});

it('a client that received 100 can read the later error without a connection reset', async () => {
  stage.upstream.respond((request) => void request.socket.destroy());
  const connection = await stage.open();
  connection.write(
    stage.head('POST /streamed/one HTTP/1.1', 'Expect: 100-continue', 'Content-Length: 2000000'),
  );
  await connection.readUntil(CONTINUE);
  connection.write('x'.repeat(1_000_000));
  const answer = await connection.readResponse('POST');
  expect([answer.status, codeOf(answer)]).toEqual([502, 'upstream_unreachable']);
  let wasReset = false;
  connection.socket.once('error', () => (wasReset = true));
  connection.write('x'.repeat(1_000_000));
  await connection.ended;
  expect(wasReset).toBe(false);
  connection.close();
});

it('an early response from the upstream is forwarded after 100', async () => {
  stage.upstream.respond(respondEarly(413));
  const connection = await stage.open();
  connection.write(
    stage.head('POST /streamed/one HTTP/1.1', 'Expect: 100-continue', 'Content-Length: 1000000'),
  );
  await connection.readUntil(CONTINUE);
  connection.write('x'.repeat(1000));
  expect((await connection.readResponse('POST')).status).toBe(413);
  connection.close();
});
