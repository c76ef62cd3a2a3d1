import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { createConnections } from '../../../src/http/server/connections.ts';
import { openRaw } from '../../../testkit/network/raw-client.ts';

it('a connection opened just before a stop gets the response to its first request, and is closed then', async () => {
  const server = createServer();
  const connections = createConnections(server);
  server.on('request', (_request, response) => response.end('done'));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const accepted = once(server, 'connection');
  const client = await openRaw((server.address() as AddressInfo).port);
  await accepted;

  const closed = once(server, 'close');
  server.close();
  connections.drain();
  client.write('GET / HTTP/1.1\r\nHost: app.example.com\r\n\r\n');
  await client.ended;
  const response = client.pending().toString('latin1');
  expect(response).toMatch(/^HTTP\/1\.1 200 /);
  expect(response).toMatch(/^connection: close\r$/im);
  expect(response).toMatch(/done/);
  client.close();
  await closed;
});
