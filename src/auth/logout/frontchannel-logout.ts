import type { RequestHandler } from 'express';
import { requestContextOf } from '../../http/inbound/request-context.ts';
import { onlyValue } from '../../http/inbound/query.ts';
import type { Provider } from '../../provider/provider.ts';
import type { Sessions } from '../../sessions/service.ts';

/**
 * `GET /frontchannel-logout`: a page of the provider loads this URL in a frame to end the session with an `iss` and a `sid`
 * (OpenID Connect Front-Channel Logout 1.0). The request carries no session cookie (`SameSite=Strict`), so anyone who knows
 * the `sid` can end that session. The response does not reveal whether a session ended.
 */
export function createFrontchannelLogout(deps: { provider: Provider; sessions: Sessions }): RequestHandler {
  const { provider, sessions } = deps;

  return async function frontchannelLogout(_request, response) {
    const search = new URLSearchParams(requestContextOf(response).target.query);
    const [iss, sid] = [onlyValue(search, 'iss'), onlyValue(search, 'sid')];
    if (iss === provider.issuer && sid !== undefined)
      await sessions.endOf({ kind: 'sid', issuer: iss, id: sid }, 'frontchannel_logout');
    // The only response that another origin may frame: it is empty, and only the provider's origins may frame it.
    response.removeHeader('X-Frame-Options');
    response.setHeader(
      'Content-Security-Policy',
      `default-src 'none';frame-ancestors ${originsOf(provider).join(' ')}`,
    );
    response.type('html').end();
  };
}

/** The origins of the provider's pages: its logout page may be on another host than the issuer. */
function originsOf(provider: Provider): string[] {
  const logoutPage = provider.endSessionUrl({ postLogoutRedirectUri: '', idTokenHint: undefined });
  return [
    ...new Set(
      [new URL(provider.issuer).origin, logoutPage?.origin].filter((origin) => origin !== undefined),
    ),
  ];
}
