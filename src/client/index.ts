import { CoatcheckError } from './error.ts';
import { createListeners, type SessionEnded, type StepUp } from './events.ts';
import { createIdleWatch } from './idle.ts';
import { type Problem, readProblem, type ReadableResponse } from './problem.ts';
import type { Session } from './session.ts';
import { createSessionTracker } from './tracker.ts';

export { CoatcheckError } from './error.ts';
export type { SessionEnded, StepUp } from './events.ts';
export type { ReadableResponse } from './problem.ts';
export type { Session, SignedIn, SignedOut } from './session.ts';

/** Options of {@link createClient}. None is needed with the gateway's default configuration. */
export interface ClientOptions {
  /** `login.prefix` of the gateway's configuration. Default `/auth`. */
  prefix?: string;
  /** Default: `globalThis.fetch`, read at each call. */
  fetch?: typeof globalThis.fetch;
  /** Default: the page's `location`. */
  location?: Pick<Location, 'assign' | 'hash' | 'href' | 'origin' | 'pathname' | 'search'>;
}

export interface LoginOptions {
  /** The path on this origin to return to. Default: the current page with its query and fragment. */
  returnTo?: string;
  /** The expected user, sent to the provider as `login_hint` (OpenID Connect Core, 3.1.2.1). */
  loginHint?: string;
  /** Parameters for the provider that `login.parameters` of the gateway's configuration allows, such as `prompt`. */
  parameters?: Record<string, string>;
  /** The `loginUrl` of a {@link StepUp}. */
  loginUrl?: string;
}

/** The gateway's endpoints, for a single-page app. Create one client for each page. */
export interface Client<Claims = Record<string, unknown>> {
  /** Returns who is signed in. Never extends the session. Throws {@link CoatcheckError} when the gateway fails. */
  session(): Promise<Session<Claims>>;
  /** Counts as a use of the session. Throws {@link CoatcheckError}. */
  extend(): Promise<void>;
  /**
   * Navigates to the provider's sign-in page. After a sign-out, it does so only for a click or a key: a page that
   * navigates by itself would undo the sign-out.
   */
  login(options?: LoginOptions): void;
  /** Leaves for the gateway's sign-out, which ends the session and continues to that of the provider. */
  logout(): void;
  /** The platform's `fetch`, with the gateway's CSRF header on requests to this origin only. */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  /**
   * Reads a response of this origin that did not come from `fetch` of this client. Without a response, as after a
   * WebSocket has closed, asks the gateway for the session. Never rejects.
   */
  check(response?: ReadableResponse): Promise<void>;
  /** Calls the listener once for each session that has ended. Returns a function that removes the listener. */
  onSessionEnded(listener: (reason: SessionEnded) => void): () => void;
  /** Calls the listener for each call that needs another sign-in. Returns a function that removes the listener. */
  onStepUpRequired(listener: (event: StepUp) => void): () => void;
  /**
   * Calls the listener when the session would end, without use, in `secondsBefore` or less. Returns a function that
   * removes the listener.
   */
  onIdleWarning(secondsBefore: number, listener: (secondsLeft: number) => void): () => void;
}

/** Creates a client. On a server, it opens and calls nothing. */
export function createClient<Claims = Record<string, unknown>>(options: ClientOptions = {}): Client<Claims> {
  const { prefix = '/auth' } = options;
  const location = () => options.location ?? globalThis.location;
  const send = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  const stepUps = createListeners<StepUp>();
  /** An outage is not a sign-out: without a response of the gateway, nothing is reported. */
  const ask = () => session().catch(() => undefined);
  const idle = createIdleWatch(ask);
  const tracker = createSessionTracker(`coatcheck:${prefix}`, ask);

  function readReport({ code, loginUrl, stepUp }: Problem, sentInSession?: number): void {
    if (code === 'session_required' || code === 'session_expired') tracker.reportEnd(code, sentInSession);
    if (code === 'step_up_required' && loginUrl && !tracker.isSigningOut())
      stepUps.emit({ loginUrl, stepUp });
  }

  async function fetchFromGateway(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const target = input instanceof Request ? input.url : input;
    const { href, origin } = location();
    // SECURITY: another origin must not get the header, and its responses must not end this session.
    if (new URL(target, globalThis.document?.baseURI ?? href).origin !== origin) return send(input, init);
    const sentInSession = tracker.number();
    const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined));
    headers.set('X-CSRF', '1');
    const response = await send(input, { ...init, headers });
    if (response.status === 401) readReport(await readProblem(response), sentInSession);
    return response;
  }

  /** `contentType` is that of the expected response; `null` expects none. */
  async function callGateway(
    method: string,
    endpoint: string,
    contentType: string | null,
  ): Promise<Response> {
    const response = await fetchFromGateway(prefix + endpoint, {
      method,
      headers: { Accept: 'application/json' },
      cache: 'no-store',
    });
    const given = response.headers.get('content-type');
    if (response.ok && `${given}`.startsWith(`${contentType}`)) return response;
    const { code } = await readProblem(response);
    const reason = `${response.status} ${code ?? given ?? ''}`.trimEnd();
    throw new CoatcheckError(`${method} ${prefix}${endpoint} returned ${reason}`, response.status, code);
  }

  async function session(): Promise<Session<Claims>> {
    const response = await callGateway('GET', '/session', 'application/json');
    const seen: Session<Claims> = await response.json();
    tracker.see(seen);
    idle.see(seen);
    return seen;
  }

  return {
    session,
    async extend() {
      await callGateway('POST', '/session/extend', null);
      idle.check();
    },
    login({ returnTo, loginHint, parameters, loginUrl } = {}) {
      const isByUser = globalThis.navigator?.userActivation?.isActive !== false;
      if (tracker.isSigningOut() || (tracker.endedBy() === 'signed_out' && !isByUser)) return;
      const { pathname, search, hash, href } = location();
      // SECURITY: of a login URL, which comes from a response, only the query is used.
      const query = new URLSearchParams(loginUrl && new URL(loginUrl, href).search);
      const chosen = { returnTo: returnTo ?? pathname + search + hash, ...parameters, login_hint: loginHint };
      for (const [name, value] of Object.entries(chosen)) if (value !== undefined) query.set(name, value);
      location().assign(`${prefix}/login?${query}`);
    },
    logout() {
      tracker.beginSignOut();
      // A form, because the gateway gives its redirect an ID token hint, which a script must not read.
      const form = document.createElement('form');
      form.method = 'post';
      form.action = `${prefix}/logout`;
      document.body.append(form);
      form.submit();
    },
    fetch: fetchFromGateway,
    async check(response) {
      if (!response) await ask();
      else if (response.status === 401) {
        const problem = await readProblem(response);
        readReport(problem);
        // Of an API, or in a form that cannot be read, such as a Blob.
        if (!problem.code) await ask();
      }
    },
    onSessionEnded: tracker.ends.add,
    onStepUpRequired: stepUps.add,
    onIdleWarning: idle.add,
  };
}
