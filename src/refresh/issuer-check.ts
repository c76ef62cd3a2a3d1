import type { Logger } from '../observability/log.ts';
import type { Sessions } from '../sessions/service.ts';
import type { SessionRecord } from '../sessions/session.ts';

/** Ends a session whose tokens are of another issuer than the provider. True if it has. Its lock must be held. */
export type EndIfOfOtherIssuer = (record: SessionRecord) => Promise<boolean>;

/** SECURITY: the tokens of a session, of any kind, are sent to no other token endpoint than that of their issuer. */
export function createIssuerCheck(deps: {
  /** The issuer of the provider. */
  issuer: string;
  sessions: Pick<Sessions, 'end'>;
  log: Logger;
}): EndIfOfOtherIssuer {
  const { issuer, sessions, log } = deps;
  return async ({ key, data }) => {
    if (data.issuer === issuer) return false;
    log.warn(
      { session: key, issuer: data.issuer },
      'the session belongs to another issuer than the provider; ending it without a refresh',
    );
    await sessions.end(key, 'issuer_changed');
    return true;
  };
}
