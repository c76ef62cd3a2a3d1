import { afterEach, beforeEach, describe, expect, expectTypeOf, test, vi } from 'vitest';
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

describe('login with parameters', () => {
  test('passes parameters for the provider on', () => {
    const { client, assigned } = openPage([]);
    client.login({ returnTo: '/', parameters: { prompt: 'create', ui_locales: 'de' } });
    expect(assigned).toHaveBeenCalledExactlyOnceWith('/auth/login?returnTo=%2F&prompt=create&ui_locales=de');
  });

  test('starts the sign-in of a step-up and returns to the page', () => {
    const { client, assigned } = openPage([]);
    client.login({ loginUrl: '/auth/login?stepUp=sealed%2Bvalue' });
    expect(assigned).toHaveBeenCalledExactlyOnceWith(
      '/auth/login?stepUp=sealed%2Bvalue&returnTo=%2Freports%3Fyear%3D2026%23july',
    );
  });

  test.each(['https://evil.test//evil.test/?stepUp=a', '//evil.test?stepUp=a', '/api/evil?stepUp=a'])(
    'leads nowhere but to the sign-in of the gateway: %s',
    (loginUrl) => {
      const { client, assigned } = openPage([]);
      client.login({ loginUrl, returnTo: '/' });
      expect(assigned).toHaveBeenCalledExactlyOnceWith('/auth/login?stepUp=a&returnTo=%2F');
    },
  );

  test('runs no script that a login URL contains', () => {
    const { client, assigned } = openPage([]);
    client.login({ loginUrl: 'javascript:alert(1)', returnTo: '/' });
    expect(assigned).toHaveBeenCalledExactlyOnceWith('/auth/login?returnTo=%2F');
  });
});

describe('extend', () => {
  test('counts as a use of the session, with the CSRF header', async () => {
    const { client, sent } = openPage([new Response(null, { status: 204 })]);
    await client.extend();
    expect(sent).toHaveLength(1);
    expect(sent[0]).toMatchObject({ method: 'POST', url: 'https://app.test/auth/session/extend' });
    expect(sent[0]?.headers.get('x-csrf')).toBe('1');
  });

  test('throws, and reports the end, when the session has ended', async () => {
    const { client, ends } = openPage([problem(401, 'session_expired')]);
    await expect(client.extend()).rejects.toMatchObject({ status: 401, code: 'session_expired' });
    expect(ends).toEqual(['session_expired']);
  });

  test('throws when something other than the gateway returns a page', async () => {
    const { client } = openPage([
      new Response('<!doctype html>', { headers: { 'Content-Type': 'text/html' } }),
    ]);
    await expect(client.extend()).rejects.toBeInstanceOf(CoatcheckError);
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

describe('the end of a session that session() finds', () => {
  const signedOut = { authenticated: false, loginUrl: '/auth/login' };

  test('is reported once to a page that knew the session', async () => {
    const { client, ends } = openPage([signedIn, signedOut, signedOut].map((each) => Response.json(each)));
    for (const _ of Array(3)) await client.session();
    expect(ends).toEqual(['session_expired']);
  });

  test('is not reported to a page of a visitor', async () => {
    const { client, ends } = openPage([Response.json(signedOut)]);
    await client.session();
    expect(ends).toEqual([]);
  });

  test('is reported as another user when another user has signed in', async () => {
    const grace = { ...signedIn, subject: 'grace' };
    const { client, ends } = openPage([signedIn, grace, grace].map((each) => Response.json(each)));
    for (const _ of Array(3)) await client.session();
    expect(ends).toEqual(['user_changed']);
  });
});

describe('check', () => {
  const body = { status: 401, code: 'session_expired' };
  const type = 'application/problem+json';

  /** What an XMLHttpRequest that is done offers. */
  const request = (response: unknown, contentType = type) =>
    ({
      status: 401,
      response,
      getResponseHeader: (name: string) => (name === 'content-type' ? contentType : null),
    }) as unknown as XMLHttpRequest;

  test.each([
    ['a Response of fetch', problem(401, 'session_expired')],
    ['a response of axios', { status: 401, headers: new Headers({ 'content-type': type }), data: body }],
    [
      'an unparsed response of axios',
      { status: 401, headers: new Headers({ 'content-type': type }), data: JSON.stringify(body) },
    ],
    ['an XMLHttpRequest', request(JSON.stringify(body))],
    ['an XMLHttpRequest for JSON', request(body, `${type}; charset=utf-8`)],
  ])('reports the end that %s states', async (_what, response) => {
    const { client, ends, sent } = openPage([]);
    await client.check(response);
    expect(ends).toEqual(['session_expired']);
    expect(sent).toEqual([]);
  });

  test.each([
    ['another status', { status: 403, headers: new Headers({ 'content-type': type }), data: body }],
    [
      'JSON of the API',
      { status: 401, headers: new Headers({ 'content-type': 'application/json' }), data: body },
    ],
    ['headers that it cannot read', { status: 401, headers: {}, data: body }],
    ['null', { status: 401, headers: new Headers({ 'content-type': type }), data: 'null' }],
    ['a body that does not parse', request('{')],
  ])('reports no end for %s', async (_what, response) => {
    const { client, ends } = openPage([]);
    await client.check(response);
    expect(ends).toEqual([]);
  });

  describe('of a step-up whose body cannot be read any more', () => {
    const loginUrl = '/auth/login?stepUp=sealed';
    const text = JSON.stringify({ status: 401, code: 'step_up_required', loginUrl });
    const headers = { 'content-type': type, 'x-login-url': loginUrl };
    const asRequest = (response: unknown) => {
      const getResponseHeader = (name: string) => new Headers(headers).get(name);
      return { status: 401, response, getResponseHeader } as unknown as XMLHttpRequest;
    };
    const consumed = async () => {
      const response = new Response(text, { status: 401, headers });
      await response.text();
      return response;
    };

    test.each([
      ['a consumed Response of fetch', consumed],
      ['axios with a Blob', () => ({ status: 401, headers: new Headers(headers), data: new Blob([text]) })],
      ['axios with a stream', () => ({ status: 401, headers: new Headers(headers), data: undefined })],
      ['an XMLHttpRequest for a Blob', () => asRequest(new Blob([text]))],
      ['an XMLHttpRequest for a document', () => asRequest(null)],
    ])('finds the sign-in in a header field of %s', async (_what, responseOf) => {
      const { client, ends, sent } = openPage([]);
      const stepUps: string[] = [];
      client.onStepUpRequired((event) => stepUps.push(event.loginUrl));
      await client.check(await responseOf());
      expect(stepUps).toEqual([loginUrl]);
      expect([ends, sent]).toEqual([[], []]);
    });
  });

  test.each([
    ['an XMLHttpRequest for a Blob', request(new Blob([JSON.stringify(body)]))],
    ['axios with headers that it cannot read', { status: 401, headers: {}, data: body }],
  ])('asks for the session when it cannot read the 401 of %s', async (_what, response) => {
    const ended = Response.json({ authenticated: false, loginUrl: '/auth/login' });
    const { client, ends } = openPage([Response.json(signedIn), ended]);
    await client.session();
    await client.check(response);
    expect(ends).toEqual(['session_expired']);
  });

  test('asks for the session when there is no response, as after a WebSocket has closed', async () => {
    const { client, ends } = openPage([
      Response.json(signedIn),
      Response.json({ authenticated: false, loginUrl: '/auth/login' }),
    ]);
    await client.check();
    expect(ends).toEqual([]);
    await client.check();
    expect(ends).toEqual(['session_expired']);
  });

  test.each([[], [problem(503, 'store_unavailable')]])(
    'reports no end during an outage',
    async (...responses) => {
      const { client, ends } = openPage([Response.json(signedIn), ...responses]);
      await client.session();
      await client.check();
      expect(ends).toEqual([]);
    },
  );
});

describe('a call that needs another sign-in', () => {
  const stepUp = { acrValues: ['gold'], maxAge: 300 };
  const stepUpRequired = () =>
    Response.json(
      { status: 401, code: 'step_up_required', loginUrl: '/auth/login?stepUp=a', stepUp },
      { status: 401, headers: { 'Content-Type': 'application/problem+json' } },
    );

  test('is reported with its login URL, and does not end the session', async () => {
    const { client, ends } = openPage([stepUpRequired(), stepUpRequired()]);
    const told: unknown[] = [];
    const unsubscribe = client.onStepUpRequired((event) => told.push(event));
    expect((await client.fetch('/api/transfer')).status).toBe(401);
    expect(told).toEqual([{ loginUrl: '/auth/login?stepUp=a', stepUp }]);
    unsubscribe();
    await client.fetch('/api/transfer');
    expect(told).toHaveLength(1);
    expect(ends).toEqual([]);
  });
});

describe('the warning before a session ends for inactivity', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  /** A page that is told, each time it asks, how long the session has left. */
  function openIdlePage(secondsLeft: (number | undefined)[]) {
    const page = openPage(
      secondsLeft.map((idleExpiresIn) =>
        idleExpiresIn === undefined
          ? Response.json({ authenticated: false, loginUrl: '/auth/login' })
          : Response.json({ ...signedIn, idleExpiresIn }),
      ),
    );
    const warnings: number[] = [];
    const unsubscribeWarning = page.client.onIdleWarning(60, (left) => warnings.push(left));
    return { ...page, warnings, unsubscribeWarning };
  }

  test('comes when the time has come, and the session has not been used meanwhile', async () => {
    const { sent, warnings } = openIdlePage([600, 60]);
    await vi.advanceTimersByTimeAsync(539_000);
    expect(sent).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(warnings).toEqual([60]);
  });

  test('does not come while calls of the app extend the session', async () => {
    const { sent, warnings } = openIdlePage([600, 300, 600]);
    await vi.advanceTimersByTimeAsync(540_000 + 240_000);
    expect(sent).toHaveLength(3);
    expect(warnings).toEqual([]);
  });

  test('comes once, and again after the session has been extended', async () => {
    const { client, warnings } = openIdlePage([50, 40, 600, 60]);
    await vi.advanceTimersByTimeAsync(0);
    await client.session();
    expect(warnings).toEqual([50]);
    await client.session();
    await vi.advanceTimersByTimeAsync(540_000);
    expect(warnings).toEqual([50, 60]);
  });

  test('is followed by the end, which the page learns without a call', async () => {
    const { warnings, ends } = openIdlePage([60, undefined]);
    await vi.advanceTimersByTimeAsync(61_000);
    expect(warnings).toEqual([60]);
    expect(ends).toEqual(['session_expired']);
  });

  test('stays due during an outage', async () => {
    const warnings: number[] = [];
    let isUp = false;
    const { client } = openPage([], {
      fetch: async () =>
        isUp ? Response.json({ ...signedIn, idleExpiresIn: 30 }) : problem(503, 'store_unavailable'),
    });
    client.onIdleWarning(60, (left) => warnings.push(left));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(warnings).toEqual([]);
    isUp = true;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(warnings).toEqual([30]);
  });

  test('waits for an end in months without asking all the time', async () => {
    const { sent } = openIdlePage([90 * 86_400, 80 * 86_400]);
    await vi.advanceTimersByTimeAsync(10 * 86_400_000);
    expect(sent).toHaveLength(1);
  });

  test.each([[[600]], [[]]])('leaves no timer when it is not wanted any more', async (secondsLeft) => {
    const { unsubscribeWarning } = openIdlePage(secondsLeft);
    unsubscribeWarning();
    await vi.advanceTimersByTimeAsync(0);
    expect(vi.getTimerCount()).toBe(0);
  });
});

test('types the claims of the session', () => {
  const client = createClient<{ name: string; roles: string[] }>();
  const read = async () => {
    const session = await client.session();
    return session.authenticated ? session.claims : undefined;
  };
  expectTypeOf(read).returns.resolves.toEqualTypeOf<{ name: string; roles: string[] } | undefined>();
});

test('opens and calls nothing on a server', () => {
  const fetch = vi.fn();
  const client = createClient({ fetch });
  client.onSessionEnded(() => undefined);
  client.onStepUpRequired(() => undefined);
  expect(fetch).not.toHaveBeenCalled();
});
