import { CoatcheckError } from './error.ts';
import { readProblemCode } from './problem.ts';
import type { Session } from './session.ts';

export { CoatcheckError } from './error.ts';
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
}

/** Why the gateway rejected a call: it carried no session, or the session has ended. */
export type SessionEnded = 'session_required' | 'session_expired';

/** The gateway's endpoints, for a single-page app. */
export interface Client {
  /** Returns who is signed in. Never extends the session. Throws {@link CoatcheckError} when the gateway fails. */
  session(): Promise<Session>;
  /** Navigates to the provider's sign-in page. */
  login(options?: LoginOptions): void;
  /** Ends the session, then navigates to the provider's logout page. Throws {@link CoatcheckError}. */
  logout(): Promise<void>;
  /** The platform's `fetch`, with the gateway's CSRF header on requests to this origin only. */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  /** Calls the listener once for each session that a call finds ended. Returns a function that removes the listener. */
  onSessionEnded(listener: (reason: SessionEnded) => void): () => void;
}

/** Creates a client. Its only state is whether the current session is known to have ended. */
export function createClient(options: ClientOptions = {}): Client {
  const { prefix = '/auth', location = globalThis.location } = options;
  const send = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  const listeners = new Set<(reason: SessionEnded) => void>();

  // Several calls can find the same session ended, some of them after the next session has started. A call reports an end
  // only if its own session is still the current one.
  let sessionNumber = 0;
  let ended = false;

  function reportEnd(reason: SessionEnded, sentInSession: number): void {
    if (ended || sentInSession !== sessionNumber) return;
    ended = true;
    // A microtask each, so that a listener that throws does not make the caller's request fail.
    for (const listener of listeners) queueMicrotask(() => listener(reason));
  }

  async function fetchFromGateway(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const target = input instanceof Request ? input.url : input;
    // SECURITY: another origin must not get the header, and its responses must not end this session.
    if (new URL(target, globalThis.document?.baseURI ?? location.href).origin !== location.origin) {
      return send(input, init);
    }
    const sentInSession = sessionNumber;
    const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined));
    headers.set('X-CSRF', '1');
    const response = await send(input, { ...init, headers });
    const code = response.status === 401 ? await readProblemCode(response) : undefined;
    if (code === 'session_required' || code === 'session_expired') reportEnd(code, sentInSession);
    return response;
  }

  async function callGateway(endpoint: string, init: RequestInit) {
    const response = await fetchFromGateway(prefix + endpoint, {
      ...init,
      headers: { Accept: 'application/json' },
      cache: 'no-store',
    });
    if (response.ok && response.headers.get('content-type')?.startsWith('application/json')) return response;
    const code = await readProblemCode(response);
    const reason = `${response.status} ${code ?? response.headers.get('content-type') ?? ''}`.trimEnd();
    throw new CoatcheckError(`${init.method} ${prefix}${endpoint} returned ${reason}`, response.status, code);
  }

  return {
    async session() {
      const response = await callGateway('/session', { method: 'GET' });
      const session: Session = await response.json();
      if (session.authenticated && ended) {
        sessionNumber += 1;
        ended = false;
      }
      return session;
    },
    login({ returnTo, loginHint } = {}) {
      const query = new URLSearchParams({
        returnTo: returnTo ?? location.pathname + location.search + location.hash,
        ...(loginHint !== undefined && { login_hint: loginHint }),
      });
      location.assign(`${prefix}/login?${query}`);
    },
    async logout() {
      const response = await callGateway('/logout', { method: 'POST' });
      const { logoutUrl }: { logoutUrl: string } = await response.json();
      location.assign(logoutUrl);
    },
    fetch: fetchFromGateway,
    onSessionEnded(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
