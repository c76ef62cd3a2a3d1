import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isLong } from '../../../testkit/seeded-random.ts';
import { type RawConnection, openRaw, rawRequest } from '../../../testkit/network/raw-client.ts';
import { HOST, openServer, type OpenServer } from './open-server.ts';

let gateway: OpenServer;

beforeAll(async () => {
  gateway = await openServer();
});

afterAll(() => gateway.close());

const head = (requestLine: string, ...fields: string[]) =>
  [requestLine, `Host: ${HOST}`, ...fields, '', ''].join('\r\n');

/** Expects that a correct client is served. */
const expectService = async () => {
  expect((await rawRequest(gateway.port, head('GET /public/one HTTP/1.1'))).status).toBe(200);
};

/** The beginning of the last response on a connection, once the gateway has closed it. */
const endOf = async (client: RawConnection) => {
  await client.ended;
  return client.pending().toString().slice(0, 12);
};

const CLIENTS = 300;

describe('a client that sends slowly', () => {
  it(
    'is cut off during the request head and does not delay other clients (standards: F22)',
    { timeout: 120_000 },
    async () => {
      const clients = await Promise.all(Array.from({ length: CLIENTS }, () => openRaw(gateway.port)));
      for (const client of clients) client.write(`GET /public/slow HTTP/1.1\r\nHost: ${HOST}\r\nX-A: `);
      const trickle = setInterval(() => clients.forEach((client) => client.write('a')), 1_000);
      await expectService();
      expect(gateway.upstream.requests.map(({ target }) => target)).not.toContain('/public/slow');
      // The limit is half a minute: only the long form of a run waits for it.
      const ends = Promise.all(clients.map(endOf));
      expect(isLong ? await ends : []).toEqual(isLong ? Array(CLIENTS).fill('HTTP/1.1 408') : []);
      await expectService();
      clearInterval(trickle);
      for (const client of clients) client.close();
    },
  );

  it.concurrent.each([
    ['a sign-out', head('POST /auth/logout HTTP/1.1', 'X-CSRF: 1', 'Content-Length: 1000')],
    ['a session request', head('GET /auth/session HTTP/1.1', 'Transfer-Encoding: chunked') + '3e8\r\n'],
  ])(
    'is cut off during a body that the endpoint does not read: %s (standards: F22)',
    async (_what, request) => {
      const client: RawConnection = await openRaw(gateway.port);
      client.write(request);
      const trickle = setInterval(() => client.write('1'), 200);
      expect((await client.readResponse()).status).toBe(200);
      await client.ended;
      clearInterval(trickle);
      client.close();
      await expectService();
    },
  );
});
