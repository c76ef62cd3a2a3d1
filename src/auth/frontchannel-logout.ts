import type { RequestHandler } from 'express';
import { requestContextOf } from '../http/inbound/request-context.ts';
import { onlyValue } from '../http/inbound/query.ts';
import type { Provider } from '../provider/provider.ts';
import type { Sessions } from '../sessions/service.ts';

/**
 * `GET /frontchannel-logout`: a page of the provider's frames this address to end the session it names by `iss` and `sid`
 * (OpenID Connect Front-Channel Logout 1.0). The session cookie is `SameSite=Strict` and does not come along; whoever knows
 * the `sid` may end that session. The answer is the same, whatever came of it.
 */
export function createFrontchannelLogout(deps: { provider: Provider; sessions: Sessions }): RequestHandler {
  const { provider, sessions } = deps;

  return async function frontchannelLogout(_request, response) {
    const search = new URLSearchParams(requestContextOf(response).target.query);
    const [iss, sid] = [onlyValue(search, 'iss'), onlyValue(search, 'sid')];
    if (iss === provider.issuer && sid !== undefined)
      await sessions.endOf({ kind: 'sid', issuer: iss, id: sid }, 'frontchannel_logout');
    // The only answer that another origin may frame: an empty one, and only the provider's.
    response.removeHeader('X-Frame-Options');
    response.setHeader(
      'Content-Security-Policy',
      `default-src 'none';frame-ancestors ${originsOf(provider).join(' ')}`,
    );
    response.type('html').end();
  };
}

/** Where the provider's pages are: its logout page may be on another host than the issuer. */
function originsOf(provider: Provider): string[] {
  const logoutPage = provider.endSessionUrl({ postLogoutRedirectUri: '', idTokenHint: undefined });
  return [
    ...new Set(
      [new URL(provider.issuer).origin, logoutPage?.origin].filter((origin) => origin !== undefined),
    ),
  ];
}
