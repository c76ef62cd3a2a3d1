import type { RequestHandler } from 'express';
import { GatewayError } from '../errors.ts';
import type { OriginPolicy } from '../http/inbound/csrf.ts';
import { readJsonBody } from '../http/inbound/json-body.ts';
import type { RateLimit } from '../http/rate-limit/rate-limit.ts';
import type { PasswordLogin } from '../provider/provider.ts';
import type { CompleteSignIn } from './complete-sign-in.ts';
import { userKey } from './username.ts';

/** The longest user name and password that are shown to a provider, in characters. */
const MAX_LENGTH = 1_024;

/**
 * `POST /login`: signs in by the user name and password in the body. 204 and the ticket, or 401.
 *
 * SECURITY: the password is in the memory of this one request, on its way to the provider, and nowhere else.
 */
export function createPasswordLogin(deps: {
  passwordLogin: PasswordLogin;
  completeSignIn: CompleteSignIn;
  originPolicy: OriginPolicy;
  /** How often one user name may be tried, from wherever. */
  limitUser: RateLimit;
}): RequestHandler {
  const { passwordLogin, completeSignIn, originPolicy, limitUser } = deps;

  return async function loginByPassword(request, response) {
    // SECURITY: nobody else's page signs a person in, as somebody it knows the password of.
    originPolicy.checkRequest(request);
    const { username, password } = await readJsonBody(request, response);
    if (!isCredential(username) || !isCredential(password)) {
      throw new GatewayError('bad_request', {
        detail: `Send {"username": "…", "password": "…"}, strings of 1 to ${MAX_LENGTH} characters.`,
      });
    }
    await limitUser(userKey(username));
    const { setCookie } = await completeSignIn(passwordLogin.signIn({ username, password }), {
      cookieHeader: request.headers.cookie,
    });
    response.setHeader('Set-Cookie', setCookie);
    response.status(204).end();
  };
}

function isCredential(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_LENGTH;
}
