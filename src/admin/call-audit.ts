import type { IncomingMessage } from 'node:http';
import type { ClientAddress } from '../http/inbound/client-address.ts';
import type { Audit } from '../observability/audit.ts';

/** A finished call of a page that needs the admin token. */
export type AdminCall = {
  readonly request: IncomingMessage;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly status: number;
  readonly requestId: string;
  /** True if the call had the admin token. */
  readonly isAuthorized: boolean;
};

/** Records an admin call in the audit: who, from where, what, and about whom. */
export type CallAudit = (call: AdminCall) => void;

export function createCallAudit(deps: {
  audit: Audit;
  clientAddress: ClientAddress;
  /** The issuer of the subjects in queries. */
  issuer: string;
  /** Names the holder of the admin token. */
  actor: () => string;
}): CallAudit {
  const { audit, clientAddress, issuer, actor } = deps;
  return ({ request, path, query, status, requestId, isAuthorized }) => {
    const subject = query.get('subject');
    audit.record({
      event: 'admin_call',
      actor: isAuthorized ? actor() : 'unauthorized',
      method: request.method ?? '',
      path,
      status,
      // SECURITY: a caller without the token must not write any text of theirs into the record.
      ...(isAuthorized && {
        person: subject === null ? undefined : { issuer, subject },
        session: query.get('sessionId') ?? undefined,
      }),
      request: { requestId, clientAddress: clientAddress(request) },
    });
  };
}
