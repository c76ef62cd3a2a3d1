import type { RequestHandler } from 'express';
import { GatewayError } from '../../errors.ts';
import { readFormBody } from '../../http/inbound/form-body.ts';
import { createLimitedWarning } from '../../observability/log-limit.ts';
import type { Logger } from '../../observability/log.ts';
import { KeySetError } from '../../provider/oidc/key-set.ts';
import type { LogoutTokens, ProviderLogout } from '../../provider/oidc/logout-token.ts';
import type { ProviderLogouts } from '../../sessions/provider-logouts.ts';

/** The shortest time between two warnings about rejected tokens, in milliseconds. */
const WARNING_INTERVAL_MS = 1_000;

/** When a provider should send a token again that the gateway could not check: about when the JWKS may be fetched again. */
const RETRY_AFTER_SECONDS = 5;

/**
 * `POST /backchannel-logout`: the provider reports a logout (OpenID Connect Back-Channel Logout 1.0). Responds 200 once the
 * sessions have ended on every replica, 400 when the request is invalid, and 503 when the gateway cannot check it now. It
 * involves no browser and no cookie.
 */
export function createBackchannelLogout(deps: {
  logoutTokens: LogoutTokens;
  providerLogouts: ProviderLogouts;
  clock: () => number;
  log: Logger;
}): RequestHandler {
  const { logoutTokens, providerLogouts, clock, log } = deps;
  // SECURITY: anybody can send forged tokens, so the number of warnings is limited.
  const warn = createLimitedWarning({ log, intervalMs: WARNING_INTERVAL_MS, clock });

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
      if (cause instanceof KeySetError) throw cannotCheckToken(cause);
      throw rejectToken(cause instanceof Error ? cause.message : 'it cannot be parsed', cause);
    }
  }

  /** Also logs the reason: a rejected logout token leaves users signed in, and the provider may not report it. */
  function rejectToken(reason: string, cause?: unknown): GatewayError {
    warn({ reason, err: cause }, 'logout token rejected');
    return new GatewayError('bad_request', { detail: `The logout token is invalid: ${reason}.`, cause });
  }
}

/** Nothing is known about the token: the provider should send it again. */
function cannotCheckToken(cause: unknown): GatewayError {
  return new GatewayError('provider_unavailable', {
    detail: "The gateway cannot fetch the provider's JWKS now to check the logout token. Send it again.",
    retryAfterSeconds: RETRY_AFTER_SECONDS,
    cause,
  });
}
