import type { RequestHandler } from 'express';
import { GatewayError } from '../../errors.ts';
import { readFormBody } from '../../http/inbound/form-body.ts';
import type { Logger } from '../../observability/log.ts';
import type { LogoutTokens, ProviderLogout } from '../../provider/oidc/logout-token.ts';
import type { ProviderLogouts } from '../../sessions/provider-logouts.ts';

/**
 * `POST /backchannel-logout`: the provider reports a logout (OpenID Connect Back-Channel Logout 1.0). Responds 200 once the
 * sessions have ended on every replica, and 400 when the request is invalid. It involves no browser and no cookie.
 */
export function createBackchannelLogout(deps: {
  logoutTokens: LogoutTokens;
  providerLogouts: ProviderLogouts;
  log: Logger;
}): RequestHandler {
  const { logoutTokens, providerLogouts, log } = deps;

  return async function backchannelLogout(request, response) {
    const form = await readFormBody(request, response);
    const [logoutToken, ...others] = form.getAll('logout_token');
    if (logoutToken === undefined || others.length > 0)
      throw new GatewayError('bad_request', { detail: 'Send exactly one logout_token parameter.' });
    const ended = await providerLogouts(await verify(logoutToken));
    if (ended === 'used') throw rejectToken('it was already used');
    log.info({ ended }, 'the provider ended sessions by back-channel logout');
    response.end();
  };

  async function verify(logoutToken: string): Promise<ProviderLogout> {
    try {
      return await logoutTokens(logoutToken);
    } catch (cause) {
      if (cause instanceof GatewayError) throw cause;
      throw rejectToken(cause instanceof Error ? cause.message : 'it cannot be parsed', cause);
    }
  }

  /** Also logs the reason: a rejected logout token leaves users signed in, and the provider may not report it. */
  function rejectToken(reason: string, cause?: unknown): GatewayError {
    log.warn({ reason, err: cause }, 'logout token rejected');
    return new GatewayError('bad_request', { detail: `The logout token is invalid: ${reason}.`, cause });
  }
}
