import type { ServerResponse } from 'node:http';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { RawConnection } from '../../../../testkit/network/raw-client.ts';
import { echo } from '../../../../testkit/upstream/behaviours.ts';
import { largeBody } from '../../../../testkit/upstream/streams.ts';
import { type Fixture, openFixture } from '../fixture.ts';
import { standsStill } from '../standstill.ts';

const MEGABYTE = 1024 * 1024;
/** More than the socket buffers between the two ends may hold together: Linux lets one grow to 32 MB. */
const SLOW_BODY = 160 * MEGABYTE;
const COMPLETE_BODY = 8 * MEGABYTE;
const STREAMS = 200;

let fixture: Fixture;

beforeAll(async () => {
  fixture = await openFixture({ routes: [{ path: '/large' }] });
});

beforeEach(() => fixture.reset());

afterAll(() => fixture.close());

it('a browser that does not read stalls only its own upstream response (standards: F22)', async () => {
  const slow = largeBody(SLOW_BODY);
  const complete = largeBody(COMPLETE_BODY);
  fixture.upstream.respond((request, response, record) => {
    const { behaviour } = record.target === '/large/slow' ? slow : complete;
    return record.target.startsWith('/large/')
      ? behaviour(request, response, record)
      : echo(request, response, record);
  });
  const slowReader = await fixture.open();
  slowReader.socket.pause();
  slowReader.write(fixture.head('GET /large/slow HTTP/1.1'));
  await standsStill(slow.writtenBytes);

  for (let call = 0; call < 20; call += 1) {
    expect((await fixture.send('GET /api/one HTTP/1.1')).status).toBe(200);
  }
  const response = await fixture.send('GET /large/complete HTTP/1.1');
  expect(response.body.length).toBe(COMPLETE_BODY);
  expect(slow.writtenBytes()).toBeLessThan(SLOW_BODY);
  slowReader.close();
});

it(`${STREAMS} concurrent event streams receive their own events and are cancelled upstream when the browser disconnects`, async () => {
  const upstreamSides = new Map<string, ServerResponse>();
  fixture.upstream.respond((_request, response, { target }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    upstreamSides.set(target, response);
  });
  const open = async (name: string): Promise<RawConnection> => {
    const connection = await fixture.open();
    connection.write(fixture.head(`GET /api/${name} HTTP/1.1`));
    await connection.readUntil('\r\n\r\n');
    return connection;
  };
  const names = Array.from({ length: STREAMS }, (_, at) => `stream-${at}`);
  const browsers = await Promise.all(names.map(async (name) => ({ name, connection: await open(name) })));

  for (const round of ['first', 'second']) {
    for (const [target, response] of upstreamSides) response.write(`data: ${round} of ${target}\n\n`);
    for (const { name, connection } of browsers) {
      const event = (await connection.readUntil('\n\n')).toString();
      expect(event).toContain(`data: ${round} of /api/${name}\n\n`);
    }
  }

  for (const { connection } of browsers) connection.close();
  await Promise.all(fixture.upstream.requests.map(({ over }) => over));
  expect(fixture.upstream.requests.map(({ aborted }) => aborted)).toEqual(names.map(() => true));
});
