import type { AccessPolicy } from '../access/access-policy.ts';
import { claimsOf } from '../auth/session/session-info.ts';
import { createClientAddress } from '../http/inbound/client-address.ts';
import { describeSession } from '../sessions/description.ts';
import { sessionExpired, sessionRequired } from '../sessions/no-session.ts';
import type { SessionView } from '../sessions/session.ts';
import { createAudience } from '../tokens/audience.ts';
import type { Core } from './core.ts';
import type { HostSessions } from './host-session.ts';
import type { SessionServices } from './session-services.ts';

export function createHostSessions(
  { config }: Core,
  sessionServices: SessionServices,
  access: Pick<AccessPolicy, 'checkSession'>,
): HostSessions {
  const { sessions, refresher, stepUpLinks } = sessionServices;
  const clientAddress = createClientAddress(config.trustProxy, config.listen.socketPath);
  const isAllowed = (session: SessionView): boolean => {
    try {
      access.checkSession(session);
      return true;
    } catch {
      return false;
    }
  };
  return {
    async session(request) {
      const reading = await sessions.load(request.headers.cookie, clientAddress(request));
      if (reading.kind !== 'live' || !isAllowed(reading.session)) return undefined;
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
        const { session, accessToken } = await refresher.fresh(reading.session, audience);
        // After a refresh, which may have changed the claims.
        access.checkSession(session);
        return accessToken;
      } catch (error) {
        throw await stepUpLinks.complete(error, reading.session);
      }
    },
  };
}
