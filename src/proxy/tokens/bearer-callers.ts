import type { IncomingMessage } from 'node:http';
import type { JWTPayload } from 'jose';
import { hashIdentifier } from '../../crypto/identifier.ts';
import { GatewayError } from '../../errors.ts';
import type { RequestContext } from '../../http/inbound/request-context.ts';
import type { FailureLimit } from '../../http/rate-limit/failure-limit.ts';
import type { Logger } from '../../observability/log.ts';
import type { AccessTokenVerifier } from '../../provider/bearer/access-token-verifier.ts';
import { readCookie } from '../../sessions/cookie.ts';
import type { Route } from '../routes.ts';
import type { RouteCredential } from './caller.ts';

/** Callers that bring an access token of their own (RFC 6750, section 2.1), on routes with `bearer`. They have no session. */
export type BearerCallers = {
  /**
   * Verifies the token of a request. Throws `bad_request` for one that also has a session cookie, `session_required` for a
   * token that is not valid, `rate_limited` after too many of those, and `provider_unavailable`.
   */
  admit(request: IncomingMessage, route: Route, context: RequestContext): Promise<BearerCaller>;
};

/** A caller with a valid token. */
export type BearerCaller = RouteCredential & { readonly claims: JWTPayload };

const credentials = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/** True for a request with a token of its own on a route that accepts such. Costs other routes one comparison. */
export function bringsToken(route: Route, { headers }: IncomingMessage): boolean {
  return route.acceptsBearer && /^Bearer(?: |$)/i.test(headers.authorization ?? '');
}

export function createBearerCallers(deps: {
  verifier: AccessTokenVerifier;
  /** The name of the session cookie. */
  sessionCookie: string;
  /** Counts the tokens of each client address that are not valid. */
  invalidTokens: FailureLimit;
  log: Logger;
}): BearerCallers {
  const { verifier, sessionCookie, invalidTokens, log } = deps;
  return {
    async admit(request, { config }, context) {
      const { clientAddress, requestId } = context;
      const { authorization = '', cookie } = request.headers;
      // SECURITY: it would not be clear who calls; a page must not add its token to the session of its user.
      if (readCookie(cookie, sessionCookie).kind !== 'absent')
        throw new GatewayError('bad_request', {
          detail: 'The request has both a session cookie and an access token. Send one of them.',
        });
      invalidTokens.check(clientAddress);
      const [, token] = credentials.exec(authorization) ?? [];
      const { issuers, audience = '' } = config.bearer;
      const verdict =
        token === undefined
          ? ({ kind: 'invalid', cause: new Error('it is not the syntax of a bearer token') } as const)
          : await verifier.verify(token, { issuers, audience });
      switch (verdict.kind) {
        case 'valid': {
          const { id, claims, expiresAtMs } = verdict;
          context.tokenIssuer = claims.iss;
          return {
            kind: 'bearer',
            session: undefined,
            accessToken: token,
            renewal: undefined,
            name: hashIdentifier('bearer-caller', JSON.stringify([claims.iss, claims.sub])),
            identity: { key: id, version: 0, data: { claims } },
            expiresAtMs,
            claims,
          };
        }
        case 'unavailable':
          if (verdict.mayBeForged) invalidTokens.count(clientAddress);
          throw new GatewayError('provider_unavailable', {
            detail: 'The keys of the issuer of the access token cannot be fetched. Try again.',
            retryAfterSeconds: 5,
            cause: verdict.cause,
          });
        case 'invalid':
          invalidTokens.count(clientAddress);
          log.debug({ requestId, err: verdict.cause }, 'the access token of a caller is not valid');
          throw new GatewayError('session_required', {
            detail: 'The access token is not valid for this API.',
            challenge: 'Bearer error="invalid_token"',
            cause: verdict.cause,
          });
      }
    },
  };
}
