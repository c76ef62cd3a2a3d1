import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConnectionHandler } from '../../../../testkit/network/raw-upstream.ts';
import { SWITCHING, UPGRADE } from './handshake.ts';
import { type Fixture, openFixture } from '../fixture.ts';

const PATIENCE = { timeout: 20_000, interval: 20 };
/** Longer than a test may take: nothing here ends by a timeout. */
const timeout = { headers: '5m' };

let fixture: Fixture;

beforeAll(async () => {
  fixture = await openFixture({
    rawRoutes: [
      { path: '/single', connections: { max: 1 }, timeout, websocket: true },
      { path: '/silent', timeout, websocket: true },
    ],
  });
});
afterAll(() => fixture.close());

const upgradeHead = (path: string) =>
  fixture.head(`GET ${path} HTTP/1.1`, `Origin: ${fixture.gateway.url}`, ...UPGRADE);
/** Accepts an upgrade, and ends its side with the other one, so that the connection slot is free at once. */
const accept: ConnectionHandler = async (socket, head) => {
  socket.once('end', () => socket.end());
  await head;
  socket.write(`${SWITCHING}\r\n`);
};
const isOver = ({ socket }: { socket: Socket }) => socket.readableEnded || socket.destroyed;

describe('a client that leaves while its upgrade waits', () => {
  it('for a connection slot is noticed at once, and its upgrade never reaches the upstream', async () => {
    fixture.raw.received.length = 0;
    fixture.raw.attend = accept;
    const first = await fixture.open();
    first.write(upgradeHead('/single/first'));
    expect((await first.readResponse()).status).toBe(101);
    const leaving = await fixture.open();
    leaving.write(upgradeHead('/single/leaving'));
    leaving.end();
    await expect.poll(() => isOver(leaving), PATIENCE).toBe(true);
    expect(leaving.pending()).toHaveLength(0);

    const next = await fixture.open();
    next.write(upgradeHead('/single/next'));
    first.close();
    expect((await next.readResponse()).status).toBe(101);
    const targets = fixture.raw.received.map((bytes) => /^GET (\S+)/.exec(bytes.toString())?.[1]);
    expect(targets).toEqual(['/single/first', '/single/next']);
    next.close();
  });

  it('for the upstream is noticed at once, however much it has sent', async () => {
    let upstream: Socket | undefined;
    fixture.raw.attend = (socket) => void (upstream = socket);
    const leaving = await fixture.open();
    leaving.write(upgradeHead('/silent/one'));
    await expect.poll(() => upstream !== undefined, PATIENCE).toBe(true);
    leaving.write(Buffer.alloc(1_000_000));
    leaving.end();
    await expect.poll(() => upstream?.readableEnded || upstream?.destroyed, PATIENCE).toBe(true);
    leaving.close();
  });
});

it('an upgrade that waits for a connection slot keeps the bytes that its client sends early', async () => {
  fixture.raw.received.length = 0;
  fixture.raw.attend = accept;
  const first = await fixture.open();
  first.write(upgradeHead('/single/first'));
  expect((await first.readResponse()).status).toBe(101);
  const early = await fixture.open();
  early.write(`${upgradeHead('/single/early')}one,`);
  early.write('two');
  first.close();
  expect((await early.readResponse()).status).toBe(101);
  await expect.poll(() => fixture.raw.received[1]?.toString(), PATIENCE).toContain('\r\n\r\none,two');
  early.close();
});
