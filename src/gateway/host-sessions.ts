import type { IncomingMessage } from 'node:http';
import { claimsOf } from '../auth/session/session-info.ts';
import { createClientAddress } from '../http/inbound/client-address.ts';
import { describeSession } from '../sessions/description.ts';
import { sessionExpired, sessionRequired } from '../sessions/no-session.ts';
import { createAudience } from '../tokens/audience.ts';
import type { Core } from './core.ts';
import type { SessionServices } from './session-services.ts';

/** Who is signed in. */
export type HostSession = {
  /** Identifies the person at the provider. */
  readonly subject: string;
  /** The claims that `session.claims` names. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** Names the session in the log and at the admin endpoints. It gives no access. */
  readonly sessionId: string;
  /** When the session ends without further use (ISO 8601). */
  readonly expiresAt: string;
};

/** What an access token must cover beyond the sign-in, as in `routes[].scopes` and `routes[].resource`. */
export type TokenRequest = {
  readonly scopes?: readonly string[];
  readonly resource?: string | readonly string[];
};

/** The sessions of requests that the host of the gateway handles itself. */
export type HostSessions = {
  /**
   * Finds who is signed in; undefined without a session. Does not extend the session. Rejects with a `GatewayError`:
   * `store_unavailable`, or `rate_limited` for a client that sends many forged cookies.
   */
  session(request: IncomingMessage): Promise<HostSession | undefined>;
  /**
   * Returns an access token that may be sent now, refreshed if it has expired, and extends the session as a call of a route
   * does. Rejects with a `GatewayError` when there is none: `session_required`, `session_expired`, `step_up_required`,
   * `provider_unavailable` or `store_unavailable`.
   */
  accessToken(request: IncomingMessage, wanted?: TokenRequest): Promise<string>;
};

export function createHostSessions({ config }: Core, sessionServices: SessionServices): HostSessions {
  const { sessions, refresher, stepUpLinks } = sessionServices;
  const clientAddress = createClientAddress(config.trustProxy);
  return {
    async session(request) {
      const reading = await sessions.load(request.headers.cookie, clientAddress(request));
      if (reading.kind !== 'live') return undefined;
      const { data } = reading.session;
      const { id, expiresAt } = describeSession(reading.session, config.session.idleTimeout);
      return {
        subject: data.subject,
        claims: claimsOf(data, config.session.claims),
        sessionId: id,
        expiresAt,
      };
    },
    async accessToken(request, { scopes = [], resource = [] } = {}) {
      const reading = await sessions.touch(request.headers.cookie, clientAddress(request));
      if (reading.kind === 'absent') throw sessionRequired();
      if (reading.kind === 'ended') throw sessionExpired();
      const audience = createAudience(scopes, typeof resource === 'string' ? [resource] : resource);
      try {
        return (await refresher.fresh(reading.session, audience)).accessToken;
      } catch (error) {
        throw await stepUpLinks.complete(error, reading.session);
      }
    },
  };
}
