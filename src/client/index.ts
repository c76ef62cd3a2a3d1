import { CoatcheckError } from './error.ts';
import { readProblemCode } from './problem.ts';
import type { Session } from './session.ts';

export { CoatcheckError } from './error.ts';
export type { Session, SignedIn, SignedOut } from './session.ts';

/** What {@link createClient} can be told; a page behind the gateway's defaults needs none of it. */
export interface ClientOptions {
  /** `login.prefix` of the gateway's configuration. Default `/auth`. */
  prefix?: string;
  /** Default: the page's `fetch`, looked up at each call. */
  fetch?: typeof globalThis.fetch;
  /** Default: the page's `location`. */
  location?: Pick<Location, 'assign' | 'hash' | 'href' | 'origin' | 'pathname' | 'search'>;
}

/** How to start a sign-in. */
export interface LoginOptions {
  /** The path of this origin to come back to. Default: the page as it is now, query and fragment included. */
  returnTo?: string;
  /** Who is expected to sign in, handed to the provider as `login_hint` (OpenID Connect Core, 3.1.2.1). */
  loginHint?: string;
}

/** Why a call was refused: no session came with it, or the one that came has ended. */
export type SessionEnded = 'session_required' | 'session_expired';

/** A single-page app's side of the gateway. */
export interface Client {
  /** Asks who is signed in. Never extends the session. Throws {@link CoatcheckError} when the gateway fails. */
  session(): Promise<Session>;
  /** Leaves the page for the provider. */
  login(options?: LoginOptions): void;
  /** Ends the session, then leaves the page for the provider's sign-out. Throws {@link CoatcheckError}. */
  logout(): Promise<void>;
  /** As the platform's `fetch`, with the gateway's CSRF header on requests to this origin, and on no other. */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  /** Calls the listener once for each session that a call finds ended. Returns the function that stops it. */
  onSessionEnded(listener: (reason: SessionEnded) => void): () => void;
}

/** Creates the browser's side of the gateway. It keeps no state but whether the session was seen to end. */
export function createClient(options: ClientOptions = {}): Client {
  const { prefix = '/auth', location = globalThis.location } = options;
  const send = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  const listeners = new Set<(reason: SessionEnded) => void>();

  // Many calls can find the same session ended, some of them after the next one began:
  // a call reports only the end of the session it was sent in.
  let era = 0;
  let ended = false;

  function reportEnd(reason: SessionEnded, sentIn: number): void {
    if (ended || sentIn !== era) return;
    ended = true;
    // A microtask each: a listener that throws must not turn the caller's answer into a failure.
    for (const listener of listeners) queueMicrotask(() => listener(reason));
  }

  async function fetchFromGateway(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const target = input instanceof Request ? input.url : input;
    // SECURITY: another origin must not get the header, and its answers must not speak for this session.
    if (new URL(target, globalThis.document?.baseURI ?? location.href).origin !== location.origin) {
      return send(input, init);
    }
    const sentIn = era;
    const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined));
    headers.set('X-CSRF', '1');
    const response = await send(input, { ...init, headers });
    const code = response.status === 401 ? await readProblemCode(response) : undefined;
    if (code === 'session_required' || code === 'session_expired') reportEnd(code, sentIn);
    return response;
  }

  async function askGateway(endpoint: string, init: RequestInit) {
    const response = await fetchFromGateway(prefix + endpoint, {
      ...init,
      headers: { Accept: 'application/json' },
      cache: 'no-store',
    });
    if (response.ok && response.headers.get('content-type')?.startsWith('application/json')) return response;
    const code = await readProblemCode(response);
    const answer = `${response.status} ${code ?? response.headers.get('content-type') ?? ''}`.trimEnd();
    throw new CoatcheckError(`${init.method} ${prefix}${endpoint} returned ${answer}`, response.status, code);
  }

  return {
    async session() {
      const response = await askGateway('/session', { method: 'GET' });
      const session: Session = await response.json();
      if (session.authenticated && ended) {
        era += 1;
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
      const response = await askGateway('/logout', { method: 'POST' });
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
