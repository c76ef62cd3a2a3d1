import type { RequestHandler } from 'express';
import { GatewayError, isUnavailable, type AuthError, type ErrorCode } from '../errors.ts';
import { auditedRequest, requestContextOf } from '../http/inbound/request-context.ts';
import type { Audit } from '../observability/audit.ts';

/**
 * Records in the audit why a handler refuses a sign-in. With `ignoreOutages`, a sign-in stays pending while the provider or
 * the store is away.
 */
export type RefusalAudit = (handler: RequestHandler, options?: { ignoreOutages?: boolean }) => RequestHandler;

/** Requests that are no sign-in. */
const ignored: ReadonlySet<ErrorCode> = new Set(['bad_request', 'not_found', 'method_not_allowed']);

export function createRefusalAudit(audit: Audit): RefusalAudit {
  return (handler, { ignoreOutages = false } = {}) =>
    async function watchRefusals(request, response, next) {
      try {
        await handler(request, response, next);
      } catch (error) {
        const isIgnored =
          (error instanceof GatewayError && ignored.has(error.code)) ||
          (ignoreOutages && isUnavailable(error));
        const by = auditedRequest(requestContextOf(response));
        const reason = reasonOf(error);
        if (reason === 'step_up_unmet') audit.record({ event: reason, request: by });
        else if (!isIgnored) audit.record({ event: 'sign_in_refused', reason, request: by });
        throw error;
      }
    };
}

/** A code: the texts of a refusal may be words of the provider. */
function reasonOf(error: unknown): string {
  if (!(error instanceof GatewayError)) return 'internal_error';
  return error.options.authError ?? reasons[error.code] ?? error.code;
}

/** The words of `auth_error` for the codes that have one. */
const reasons: Partial<Record<ErrorCode, AuthError>> = {
  login_failed: 'refused',
  login_denied: 'access_denied',
  login_expired: 'state_expired',
};
