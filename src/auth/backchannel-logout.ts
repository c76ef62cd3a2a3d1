import type { RequestHandler } from 'express';
import { GatewayError } from '../errors.ts';
import { readFormBody } from '../http/inbound/form-body.ts';
import type { Logger } from '../observability/log.ts';
import type { LogoutTokens, ProviderLogout } from '../provider/oidc/logout-token.ts';
import type { ProviderLogouts } from '../sessions/provider-logouts.ts';

/**
 * `POST /backchannel-logout`: the provider tells that it has ended sign-ins (OpenID Connect Back-Channel Logout 1.0). 200
 * when the sessions of these are over on every replica, 400 on any flaw. No cookie and no page has a part in it.
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
    const ended = await providerLogouts(await check(logoutToken));
    if (ended === 'used') throw refuse('it was already used');
    log.info({ ended }, 'the provider ended sessions by back-channel logout');
    response.end();
  };

  async function check(logoutToken: string): Promise<ProviderLogout> {
    try {
      return await logoutTokens(logoutToken);
    } catch (cause) {
      if (cause instanceof GatewayError) throw cause;
      throw refuse(cause instanceof Error ? cause.message : 'it cannot be parsed', cause);
    }
  }

  /** Said in the log as well: a provider that is not heard leaves people signed in, and tells nobody. */
  function refuse(reason: string, cause?: unknown): GatewayError {
    log.warn({ reason, err: cause }, 'logout token rejected');
    return new GatewayError('bad_request', { detail: `The logout token is invalid: ${reason}.`, cause });
  }
}
