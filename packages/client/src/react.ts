'use client';

import type { Client, Session, SessionEnded, SignedIn } from 'coatcheck-client';
import {
  createContext,
  createElement,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useState,
} from 'react';

/** What is known about the session. */
export type SessionState<Claims = Record<string, unknown>> =
  /** The gateway has not responded yet; always so on a server. */
  | { status: 'loading' }
  | { status: 'signed-in'; session: SignedIn<Claims> }
  /** `reason` says why the session of this page has ended; it is undefined for a visitor who has not signed in. */
  | { status: 'signed-out'; reason: SessionEnded | undefined }
  /** The gateway has failed before it could say who is signed in. */
  | { status: 'unavailable'; error: unknown };

/** The result of {@link useSession}. */
export type SessionResult<Claims = Record<string, unknown>> = SessionState<Claims> &
  Pick<Client<Claims>, 'login' | 'logout' | 'extend'> & {
    /** Asks the gateway again. */
    reload: () => Promise<void>;
  };

type Value = { client: Client<unknown>; state: SessionState<unknown>; reload: () => Promise<void> };

const SessionContext = createContext<Value | undefined>(undefined);

/** Gives the components below it the session of a client, which `createClient()` made once for the page. */
export function SessionProvider({ client, children }: { client: Client<unknown>; children?: ReactNode }) {
  const [state, setState] = useState<SessionState<unknown>>({ status: 'loading' });

  const reload = useCallback(async () => {
    try {
      const session = await client.session();
      setState((before) => stateOf(session, before));
    } catch (error) {
      // An outage is not a sign-out: who is signed in stays so.
      setState((before) => (before.status === 'signed-in' ? before : { status: 'unavailable', error }));
    }
  }, [client]);

  useEffect(() => {
    const unsubscribe = client.onSessionEnded((reason) => setState({ status: 'signed-out', reason }));
    void reload();
    return unsubscribe;
  }, [client, reload]);

  const value = useMemo(() => ({ client, state, reload }), [client, state, reload]);
  return createElement(SessionContext.Provider, { value }, children);
}

/** The session, and what can be done about it. Name the type of the claims that the gateway is configured to show. */
export function useSession<Claims = Record<string, unknown>>(): SessionResult<Claims>;
export function useSession(): SessionResult<unknown> {
  const { client, state, reload } = useValue();
  const { login, logout, extend } = client;
  return { ...state, login, logout, extend, reload };
}

/** The client's `fetch`, the same function at each render. */
export function useGatewayFetch(): Client['fetch'] {
  return useValue().client.fetch;
}

function useValue(): Value {
  const value = useContext(SessionContext);
  if (value === undefined) throw new Error('There is no <SessionProvider> above this component.');
  return value;
}

/** A page whose session has ended keeps the reason: a visitor of whom the gateway knows nothing has none. */
function stateOf(session: Session<unknown>, before: SessionState<unknown>): SessionState<unknown> {
  if (session.authenticated) return { status: 'signed-in', session };
  return before.status === 'signed-out' ? before : { status: 'signed-out', reason: undefined };
}
