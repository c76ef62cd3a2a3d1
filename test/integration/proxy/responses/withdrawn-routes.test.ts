import { describe, expect, it } from 'vitest';
import { openTestGatewayForTest } from '../../../../testkit/gateway/test-gateway-lifetime.ts';
import { controlledStream } from '../../../../testkit/upstream/streams.ts';

/** Opens an event stream and a WebSocket, and gives a reload with other routes. */
async function open(former: Record<string, unknown> = {}) {
  const path = '/live';
  const route = { path, websocket: true, auth: 'optional', ...former };
  const testGateway = await openTestGatewayForTest({ routes: [route] });
  const { agent, upstream, gateway } = testGateway;
  await agent.signIn();
  const stream = controlledStream();
  upstream.respond(stream.behaviour);
  const events = await agent.open('/live/events', { headers: { 'x-csrf': '1' } });
  await stream.write('data: one\n\n');
  const socket = await agent.websocket('/live/socket');
  socket.send('one');
  expect(await socket.next()).toBe('one');
  const reload = (...routes: Record<string, unknown>[]) =>
    gateway.reload({
      routes: routes.map((next) => ({ path, upstream: upstream.url, websocket: true, ...next })),
    });
  const streamClosed = stream.opened.then(
    (response) => new Promise<string>((resolve) => response.once('close', () => resolve('closed'))),
  );
  return { testGateway, stream, socket, reload, streamClosed, events };
}

describe('a WebSocket and an event stream', () => {
  it.each<[string, Record<string, unknown>[]]>([
    ['whose route a reload removes', []],
    ['whose route then requires a session', [{ auth: 'required' }]],
    [
      'whose path then belongs to a stricter route',
      [{ auth: 'optional' }, { path: '/live/socket' }, { path: '/live/events' }],
    ],
    [
      'whose route then has another rule',
      [{ auth: 'optional', require: [{ claim: '/role', equals: 'admin' }] }],
    ],
  ])('%s end with 1012', async (_what, routes) => {
    const { socket, reload, streamClosed } = await open();
    await reload(...routes);
    expect((await socket.closed).code).toBe(1012);
    expect(await streamClosed).toBe('closed');
  });

  it('end with 1012 when login.require then has another rule, and new ones open', async () => {
    const { testGateway, socket, streamClosed } = await open();
    const login = { require: [{ claim: '/sub', equals: 'alice' }] };
    await testGateway.gateway.reload({ login });
    expect((await socket.closed).code).toBe(1012);
    expect(await streamClosed).toBe('closed');
    const next = await testGateway.agent.websocket('/live/socket');
    next.send('two');
    expect(await next.next()).toBe('two');
    await testGateway.gateway.reload({ login, log: { level: 'warn' } });
    next.send('three');
    expect(await next.next()).toBe('three');
    next.close();
  });

  it('go on after a reload that makes their route no stricter', async () => {
    const { socket, stream, reload, streamClosed } = await open({ auth: 'required' });
    await reload({ auth: 'optional', timeout: { headers: '7s' } });
    socket.send('two');
    expect(await socket.next()).toBe('two');
    await stream.write('data: two\n\n');
    expect(await Promise.race([streamClosed, Promise.resolve('open')])).toBe('open');
    socket.close();
  });
});
