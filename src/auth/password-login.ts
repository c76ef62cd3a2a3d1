import type { RequestHandler } from 'express';
import { GatewayError, isUnavailable } from '../errors.ts';
import type { OriginPolicy } from '../http/inbound/csrf.ts';
import { auditedRequest, requestContextOf } from '../http/inbound/request-context.ts';
import { readJsonBody } from '../http/inbound/json-body.ts';
import { clientNetworkOf } from '../http/rate-limit/rate-limit.ts';
import type { PasswordLogin } from '../provider/provider.ts';
import type { AttemptLimit } from './attempt-limit.ts';
import type { CompleteSignIn } from './complete-sign-in.ts';

/** The longest user name and password that the gateway sends to the provider, in characters. */
const MAX_LENGTH = 1_024;

/**
 * `POST /login`: signs in with the user name and password in the body. Responds 204 with the ticket, or 401.
 *
 * SECURITY: the password is held only while this request runs, and sent only to the provider.
 */
export function createPasswordLogin(deps: {
  passwordLogin: PasswordLogin;
  completeSignIn: CompleteSignIn;
  originPolicy: OriginPolicy;
  attemptLimit: AttemptLimit;
}): RequestHandler {
  const { passwordLogin, completeSignIn, originPolicy, attemptLimit } = deps;

  return async function loginByPassword(request, response) {
    // SECURITY: another site must not sign the user in to an account whose password it knows (login CSRF).
    originPolicy.checkRequest(request);
    const { username, password } = await readJsonBody(request, response);
    if (!isCredential(username) || !isCredential(password)) {
      throw new GatewayError('bad_request', {
        detail: `Send {"username": "…", "password": "…"}, strings of 1 to ${MAX_LENGTH} characters.`,
      });
    }
    const attempt = await attemptLimit.begin(username, clientNetworkOf(response));
    const { setCookie } = await completeSignIn(passwordLogin.signIn({ username, password }), {
      request: auditedRequest(requestContextOf(response)),
      cookieHeader: request.headers.cookie,
    }).catch(async (error: unknown) => {
      if (isUnavailable(error)) await attemptLimit.cancel(attempt);
      throw error;
    });
    await attemptLimit.succeed(attempt);
    response.setHeader('Set-Cookie', setCookie);
    response.status(204).end();
  };
}

function isCredential(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_LENGTH;
}
