import type { Request, RequestHandler } from 'express';
import { withTimeout } from '../../concurrency/with-timeout.ts';
import { GatewayError } from '../../errors.ts';
import type { OriginPolicy } from '../../http/inbound/csrf.ts';
import { auditedRequest, requestContextOf } from '../../http/inbound/request-context.ts';
import { isNavigation } from '../../http/inbound/navigation.ts';
import type { Audit } from '../../observability/audit.ts';
import type { Provider } from '../../provider/provider.ts';
import { personOf } from '../../sessions/session.ts';
import type { Sessions } from '../../sessions/service.ts';
import { UNKNOWN_KEY_RETRY_SECONDS } from '../../sessions/lifecycle/unknown-key.ts';
import type { SignOutMarker } from './sign-out-marker.ts';

/** How long a logout waits for the provider to revoke the token, in milliseconds; retries continue in the background. */
const REVOCATION_WAIT_MS = 2_000;

/**
 * `POST /logout`: ends the session, revokes its refresh token, clears the session cookie and continues to the provider's
 * logout page. A form post gets a redirect; a `fetch` gets the URL as JSON.
 */
export function createLogout(deps: {
  provider: Provider;
  sessions: Sessions;
  /** Undefined where no navigation signs in. */
  signOutMarker: SignOutMarker | undefined;
  audit: Audit;
  originPolicy: OriginPolicy;
  baseUrl: string;
  postLogoutReturnTo: string;
}): RequestHandler {
  const { provider, sessions, signOutMarker, audit, originPolicy, baseUrl, postLogoutReturnTo } = deps;
  const postLogoutRedirectUri = new URL(postLogoutReturnTo, baseUrl).href;

  return async function logout(request, response) {
    originPolicy.checkForm(request);
    const context = requestContextOf(response);
    const reading = await sessions.peek(request.headers.cookie, context.clientAddress);
    // SECURITY: to say "signed out" would be wrong, because the session outlives this request.
    if (reading.kind === 'absent' && reading.because !== undefined) throw cannotEnd(reading.because);
    const session = reading.kind === 'live' ? reading.session.key : undefined;
    const ended = session === undefined ? undefined : await sessions.end(session, 'logout');
    if (session !== undefined && ended !== undefined) {
      const person = personOf(ended.data);
      audit.record({ event: 'sign_out', person, session, request: auditedRequest(context) });
    }
    if (ended !== undefined) await withTimeout(ended.revoked, REVOCATION_WAIT_MS);

    // The provider knows no session of another issuer, and must not get its ID token.
    const endedHere = ended?.data.issuer === provider.issuer ? ended : undefined;
    // SECURITY: page scripts can read the response to a fetch, so it has no ID token hint; the provider uses its own cookie instead.
    const idTokenHint = isForm(request) ? endedHere?.data.tokens.idToken : undefined;
    const url = endedHere && provider.endSessionUrl({ postLogoutRedirectUri, idTokenHint });
    // SECURITY: another site's form sends no session cookie (SameSite=Strict) and must not clear one.
    if (reading.kind !== 'absent') {
      // Where the provider is not told, it signs the user in again without a word.
      const marker = ended !== undefined && url === undefined && signOutMarker?.set();
      response.setHeader('Set-Cookie', [sessions.clearCookie(), ...(marker ? [marker] : [])]);
      response.setHeader('Clear-Site-Data', '"cache"');
    }
    const logoutUrl = url?.href ?? postLogoutReturnTo;
    if (isForm(request)) response.status(303).setHeader('Location', logoutUrl).end();
    else response.json({ logoutUrl });
  };
}

/** Nothing tells which of two cookies is planted. With a cookie that another process can open, that process can end the session. */
function cannotEnd(because: 'conflict' | 'unknown_key'): GatewayError {
  switch (because) {
    case 'conflict':
      return new GatewayError('bad_request', {
        detail:
          'The request has two different session cookies, of which one is planted. No session was ended. Delete the cookies of this site.',
        pageText: {
          title: 'You are still signed in',
          detail:
            'This browser has two different session cookies, of which one is planted. Delete the cookies of this site, then sign out again.',
        },
      });
    case 'unknown_key':
      return new GatewayError('store_unavailable', {
        detail:
          'The session cookie is sealed with a secret that this process does not have. No session was ended. Try again.',
        pageText: {
          title: 'You are still signed in',
          detail: 'The server cannot read this session at the moment. Try to sign out again in a minute.',
        },
        retryAfterSeconds: UNKNOWN_KEY_RETRY_SECONDS,
      });
  }
}

function isForm(request: Request): boolean {
  if (request.headers['sec-fetch-mode'] !== undefined) return isNavigation(request);
  return request.headers['content-type']?.startsWith('application/x-www-form-urlencoded') ?? false;
}
