import { describe, expect, test, vi } from 'vitest';
import { createClient, type ClientOptions, CoatcheckError } from '../../../src/client/index.ts';

const signedIn = {
  authenticated: true,
  subject: 'ada',
  claims: { name: 'Ada' },
  sessionId: 's1',
  expiresIn: 3600,
  idleExpiresIn: 600,
  loginUrl: '/auth/login',
  logoutUrl: '/auth/logout',
};

function problem(status: number, code: string) {
  const headers = { 'Content-Type': 'application/problem+json' };
  return new Response(JSON.stringify({ status, code }), { status, headers });
}

/** A page at one address, whose fetch gives the prepared responses in turn and records what was sent. */
function openPage(responses: Response[], options: ClientOptions = {}) {
  const sent: Request[] = [];
  const { origin, href, pathname, search, hash } = new URL('https://app.test/reports?year=2026#july');
  const location = { origin, href, pathname, search, hash, assign: vi.fn() };
  const client = createClient({
    location,
    async fetch(input, init) {
      sent.push(new Request(input instanceof Request ? input : new URL(input, href), init));
      const response = responses.shift();
      if (!response) throw new TypeError('fetch failed');
      return response;
    },
    ...options,
  });
  const ends: string[] = [];
  const unsubscribe = client.onSessionEnded((reason) => ends.push(reason));
  return { client, sent, ends, unsubscribe, assigned: location.assign };
}

describe('session', () => {
  test('session() returns the session that the gateway reports', async () => {
    const { client, sent } = openPage([Response.json(signedIn)]);
    expect(await client.session()).toEqual(signedIn);
    expect(sent[0]).toMatchObject({ method: 'GET', url: 'https://app.test/auth/session', cache: 'no-store' });
  });

  test('session() calls the configured prefix', async () => {
    const { client, sent } = openPage([Response.json(signedIn)], { prefix: '/bff' });
    await client.session();
    expect(sent[0]?.url).toBe('https://app.test/bff/session');
  });

  test('session() throws the status and the code when the gateway fails', async () => {
    const { client } = openPage([problem(503, 'store_unavailable')]);
    const error = await client.session().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CoatcheckError);
    expect(error).toMatchObject({
      status: 503,
      code: 'store_unavailable',
      message: 'GET /auth/session returned 503 store_unavailable',
    });
  });

  test('session() throws when something other than the gateway returns a page', async () => {
    const page = new Response('<!doctype html>', { headers: { 'Content-Type': 'text/html' } });
    const { client } = openPage([page]);
    await expect(client.session()).rejects.toMatchObject({ status: 200, code: undefined });
  });
});

describe('login', () => {
  test('login() returns to the current page, including query and fragment', () => {
    const { client, assigned } = openPage([]);
    client.login();
    expect(assigned).toHaveBeenCalledExactlyOnceWith('/auth/login?returnTo=%2Freports%3Fyear%3D2026%23july');
  });

  test('login() returns to a given path and passes on a login hint', () => {
    const { client, assigned } = openPage([]);
    client.login({ returnTo: '/a&b', loginHint: 'ada@example.com' });
    expect(assigned).toHaveBeenCalledExactlyOnceWith(
      '/auth/login?returnTo=%2Fa%26b&login_hint=ada%40example.com',
    );
  });
});

describe('logout', () => {
  test('logout() ends the session with the CSRF header and then navigates to the address from the gateway', async () => {
    const { client, sent, assigned } = openPage([Response.json({ logoutUrl: 'https://login.test/end' })]);
    await client.logout();
    expect(sent[0]).toMatchObject({ method: 'POST', url: 'https://app.test/auth/logout' });
    expect(sent[0]?.headers.get('x-csrf')).toBe('1');
    expect(assigned).toHaveBeenCalledExactlyOnceWith('https://login.test/end');
  });

  test('logout() stays on the page when the gateway cannot end the session', async () => {
    const { client, assigned } = openPage([problem(503, 'store_unavailable')]);
    await expect(client.logout()).rejects.toBeInstanceOf(CoatcheckError);
    expect(assigned).not.toHaveBeenCalled();
  });
});

describe('fetch', () => {
  test.each(['/api/items', 'items', 'https://app.test/api', new URL('https://app.test/api')])(
    'fetch() adds the CSRF header to a request to its own origin: %s',
    async (target) => {
      const { client, sent } = openPage([new Response()]);
      await client.fetch(target);
      expect(sent[0]?.headers.get('x-csrf')).toBe('1');
    },
  );

  test.each(['https://api.test/', '//api.test/', 'http://app.test/', 'https://app.test:8443/'])(
    'fetch() sends no CSRF header to another origin: %s',
    async (target) => {
      const { client, sent } = openPage([new Response()]);
      await client.fetch(target);
      expect(sent[0]?.headers.has('x-csrf')).toBe(false);
    },
  );

  test('fetch() keeps the given headers, method and body', async () => {
    const { client, sent } = openPage([new Response()]);
    await client.fetch('/api/items', { method: 'PUT', headers: { 'X-Trace': 'a' }, body: 'note' });
    expect(sent[0]?.method).toBe('PUT');
    expect(sent[0]?.headers.get('x-trace')).toBe('a');
    expect(await sent[0]?.text()).toBe('note');
  });

  test('fetch() keeps the properties of a Request object', async () => {
    const { client, sent } = openPage([new Response()]);
    const request = { method: 'POST', headers: { 'X-Trace': 'a' }, body: 'note' };
    await client.fetch(new Request('https://app.test/api', request));
    expect(sent[0]?.method).toBe('POST');
    expect(sent[0]?.headers.get('x-trace')).toBe('a');
    expect(sent[0]?.headers.get('x-csrf')).toBe('1');
    expect(await sent[0]?.text()).toBe('note');
  });
});

describe('the end of a session', () => {
  test.each(['session_required', 'session_expired'])(
    'onSessionEnded calls its listeners on %s and leaves the response readable',
    async (code) => {
      const { client, ends } = openPage([problem(401, code)]);
      const response = await client.fetch('/api/items');
      expect(ends).toEqual([code]);
      expect(await response.json()).toEqual({ status: 401, code });
    },
  );

  test('onSessionEnded calls a listener once, however many requests find the session ended', async () => {
    const responses = [problem(401, 'session_expired'), problem(401, 'session_required')];
    const { client, ends } = openPage(responses);
    await Promise.all([client.fetch('/api/a'), client.fetch('/api/b')]);
    expect(ends).toEqual(['session_expired']);
  });

  test('onSessionEnded calls a listener again for the next session', async () => {
    const { client, ends } = openPage([
      problem(401, 'session_expired'),
      Response.json(signedIn),
      problem(401, 'session_expired'),
    ]);
    await client.fetch('/api/a');
    await client.session();
    await client.fetch('/api/a');
    expect(ends).toHaveLength(2);
  });

  test('onSessionEnded ignores a response to a request that was sent during the previous session', async () => {
    const late = Promise.withResolvers<Response>();
    const { client, ends } = openPage([], {
      fetch: async (input) => {
        if (input === '/api/late') return late.promise;
        return input === '/auth/session' ? Response.json(signedIn) : problem(401, 'session_expired');
      },
    });
    const lateCall = client.fetch('/api/late');
    await client.fetch('/api/a');
    await client.session();
    late.resolve(problem(401, 'session_expired'));
    await lateCall;
    expect(ends).toEqual(['session_expired']);
  });

  test.each([
    ['another code', problem(401, 'step_up_required')],
    ['another status', problem(403, 'session_required')],
    ['an API of its own', Response.json({ code: 'session_required' }, { status: 401 })],
    [
      'a body that does not parse',
      new Response('{', { status: 401, headers: { 'Content-Type': 'application/problem+json' } }),
    ],
  ])('onSessionEnded ignores %s', async (_name, response) => {
    const { client, ends } = openPage([response]);
    expect(await client.fetch('/api/items')).toBe(response);
    expect(ends).toEqual([]);
  });

  test('onSessionEnded ignores responses from another origin', async () => {
    const { client, ends } = openPage([problem(401, 'session_expired')]);
    await client.fetch('https://api.test/');
    expect(ends).toEqual([]);
  });

  test('onSessionEnded does not call a listener that has unsubscribed', async () => {
    const { client, ends, unsubscribe } = openPage([problem(401, 'session_expired')]);
    unsubscribe();
    await client.fetch('/api/items');
    expect(ends).toEqual([]);
  });
});
