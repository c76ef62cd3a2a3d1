import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { type Upstream, startUpstream } from '../../../testkit/upstream/upstream.ts';
import { inSequence, redirect, setCookie, status, trailers } from '../../../testkit/upstream/behaviours.ts';
import { controlledStream } from '../../../testkit/upstream/streams.ts';
import { type UserAgent, createUserAgent } from '../../../testkit/user-agent/user-agent.ts';

let app: Upstream;
let agent: UserAgent;

beforeEach(async () => {
  app = await startUpstream();
  agent = createUserAgent(app.url);
});

afterEach(async () => {
  agent.close();
  await app.close();
});

describe('the test user agent', () => {
  it('stores cookies and sends them back', async () => {
    app.respond(inSequence(setCookie('a=1; Path=/', 'b=2; Path=/other'), setCookie('a=; Path=/; Max-Age=0')));
    await agent.get('/');
    await agent.get('/');
    await agent.get('/');
    expect(app.requests.map((request) => request.header('cookie'))).toEqual([undefined, 'a=1', undefined]);
    expect(agent.cookies.lines.map(({ line }) => line)).toContain('b=2; Path=/other');
  });

  it('adds no fields to a plain request', async () => {
    await agent.request('/a', { method: 'PUT', headers: { 'x-a': ['1', '2'] }, body: 'body' });
    expect(app.requests[0]?.headers.map(([name]) => name.toLowerCase())).toEqual([
      'host',
      'x-a',
      'x-a',
      'connection',
      'content-length',
    ]);
    expect(app.requests[0]).toMatchObject({ method: 'PUT', bodyBytes: 4 });
  });

  it('fetches like a script on the page and can omit a header field', async () => {
    await agent.fetch('/a', { method: 'POST' });
    await agent.fetch('/a', { headers: { 'sec-fetch-site': undefined } });
    const [post, get] = app.requests;
    expect(post?.header('sec-fetch-site')).toBe('same-origin');
    expect(post?.header('origin')).toBe(app.url);
    expect(get?.header('sec-fetch-site')).toBeUndefined();
    expect(get?.header('origin')).toBeUndefined();
  });

  it('reads a stream incrementally and can abort it', async () => {
    const stream = controlledStream();
    app.respond(stream.behaviour);
    const response = await agent.open('/events');
    const chunks = response.body[Symbol.asyncIterator]();
    await stream.write('data: one\n\n');
    expect(String((await chunks.next()).value)).toBe('data: one\n\n');
    response.body.destroy();
    await app.requests[0]?.over;
    expect(app.requests[0]?.aborted).toBe(true);
  });

  it('records every received byte including trailers', async () => {
    app.respond(trailers({ 'X-Late': 'canary-trailer' }, 'canary-body'));
    await agent.get('/');
    app.respond(setCookie('a=canary-cookie'));
    await agent.get('/');
    for (const what of ['trailer', 'body', 'cookie']) expect(agent.received()).toContain(`canary-${what}`);
    expect(agent.received('http://elsewhere.example.test')).toBe('');
  });

  it('can connect to another address than its base URL', async () => {
    const remote = createUserAgent('https://app.example.test', {
      connect: { host: '127.0.0.1', port: app.port },
    });
    app.respond(setCookie('__Host-a=1; Secure; Path=/'));
    await remote.get('/');
    await remote.get('/');
    expect(app.requests[1]?.header('host')).toBe('app.example.test');
    expect(app.requests[1]?.header('cookie')).toBe('__Host-a=1');
    remote.close();
  });

  it('stops after too many redirects', async () => {
    app.respond(redirect('/'));
    await expect(agent.navigate('/')).rejects.toThrow('too many redirects');
  });

  it('turns a form post into GET on 303 and repeats it on 307', async () => {
    app.respond(inSequence(redirect('/b', 307), redirect('/c', 303), status(200)));
    await agent.navigate('/a', { from: 'page', form: { name: 'value' } });
    expect(app.requests.map(({ method, target, bodyBytes }) => [method, target, bodyBytes])).toEqual([
      ['POST', '/a', 10],
      ['POST', '/b', 10],
      ['GET', '/c', 0],
    ]);
  });
});

describe('a sign-in of the test user agent', () => {
  let provider: FakeProvider;

  beforeEach(async () => {
    provider = await startFakeProvider();
    provider.client.redirectUris.push(`${app.url}/auth/callback`);
  });

  afterEach(() => provider.close());

  it('goes to the provider and back with Lax cookies but without Strict cookies', async () => {
    const login = new URL(`${provider.issuer}/authorize`);
    login.search = new URLSearchParams({
      client_id: provider.client.id,
      redirect_uri: `${app.url}/auth/callback`,
      response_type: 'code',
      scope: 'openid',
      state: 'state',
      nonce: 'nonce',
      code_challenge: 'x'.repeat(43),
      code_challenge_method: 'S256',
    }).toString();
    agent.setCookie('strict=1; Path=/; SameSite=Strict');
    agent.setCookie('lax=1; Path=/; SameSite=Lax');
    app.respond(inSequence(redirect(login.href), redirect('/page', 303), status(200)));

    const { response, chain } = await agent.signIn('/page');
    expect(response.url).toBe(`${app.url}/page`);
    expect(chain.map((hop) => hop.status)).toEqual([302, 302, 303, 200]);
    const seen = app.requests.map((request) => [
      new URL(request.target, app.url).pathname,
      request.header('sec-fetch-site'),
      request.header('cookie'),
    ]);
    expect(seen).toEqual([
      ['/auth/login', 'same-origin', 'strict=1; lax=1'],
      ['/auth/callback', 'cross-site', 'lax=1'],
      ['/page', 'cross-site', 'lax=1'],
    ]);
    const [code = ''] = provider.secrets(['code']);
    expect(agent.received(provider.issuer)).toContain(code);
    expect(agent.received(app.url)).not.toContain(code);
  });

  it('fails with the response when the callback rejects it', async () => {
    app.respond(inSequence(redirect('/auth/callback'), status(400, {}, 'login_failed')));
    await expect(agent.signIn()).rejects.toThrow(/400 .*\n {2}login_failed/);
  });
});

describe('a WebSocket of the test user agent', () => {
  it('carries cookies, origin and messages in both directions', async () => {
    agent.setCookie('a=1; Path=/; SameSite=Strict');
    const socket = await agent.websocket('/live?x=1', { protocols: ['chat'] });
    socket.send('hello');
    socket.send(Buffer.from([1, 2]));
    expect(await socket.next()).toBe('hello');
    expect(await socket.next()).toEqual(Buffer.from([1, 2]));
    expect(socket.protocol).toBe('chat');
    const [upgrade] = app.upgrades;
    expect([upgrade?.target, upgrade?.header('origin'), upgrade?.header('cookie')]).toEqual([
      '/live?x=1',
      app.url,
      'a=1',
    ]);
    app.webSockets[0]?.close(1001, 'going away');
    expect(await socket.closed).toEqual({ code: 1001, reason: 'going away' });
  });

  it('sends no Strict cookie from another origin', async () => {
    agent.setCookie('a=1; Path=/; SameSite=Strict');
    await agent.websocket('/live', { origin: 'https://evil.example.test' });
    expect(app.upgrades[0]?.header('cookie')).toBeUndefined();
  });

  it('fails with the response status when the upgrade is rejected', async () => {
    app.rejectUpgrades(403);
    await expect(agent.websocket('/live')).rejects.toMatchObject({ name: 'UpgradeRefused', status: 403 });
  });
});
