import { AuthorizationResponseError, ResponseBodyError } from 'openid-client';
import type { ProviderSection } from '../config/schema/provider-section.ts';
import { checkResult, type CheckResult } from '../provider/check-result.ts';
import { createProviderClient } from '../provider/http/http-client.ts';
import type { Provider } from '../provider/provider.ts';
import { causesOf, reasonOf } from './reason.ts';

const NAME = 'sign-in';

/** The responses to `prompt=none` for a browser that nobody has signed in with (OpenID Connect Core 1.0, section 3.1.2.6). */
const expected: readonly string[] = [
  'login_required',
  'interaction_required',
  'consent_required',
  'account_selection_required',
];

/** The error codes for a request that no sign-in of this client could make (RFC 6749, section 4.1.2.1, RFC 8707, RFC 9101). */
const refusals: readonly string[] = [
  'invalid_request',
  'unauthorized_client',
  'unsupported_response_type',
  'invalid_scope',
  'invalid_target',
  'invalid_client',
  'invalid_request_object',
  'request_not_supported',
  'invalid_dpop_proof',
];

/**
 * Begins a sign-in that nobody completes, with `prompt=none`, and follows no redirect. A provider that redirects back accepts the
 * redirect URI, and its error code judges the other parameters. One that shows a page instead does not tell.
 */
export async function checkSignIn(
  { redirectLogin }: Provider,
  section: ProviderSection,
  redirectUri: string,
): Promise<readonly CheckResult[]> {
  if (redirectLogin === undefined || ('login' in section && section.login === 'decoupled')) return [];
  const health = { responded: () => undefined, failed: () => undefined };
  const http = createProviderClient({ config: section, health });
  try {
    const { url } = await redirectLogin.begin({ parameters: { prompt: 'none' } });
    const response = await http.fetchWith({})(url.href, {
      method: 'GET',
      headers: { accept: 'text/html' },
      body: null,
      redirect: 'manual',
      signal: AbortSignal.timeout(section.timeout),
    });
    return [resultOf(response, redirectUri)];
  } catch (error) {
    return [resultOfFailure(error, redirectUri)];
  } finally {
    http.close();
  }
}

function resultOf({ status, headers }: Response, redirectUri: string): CheckResult {
  const location = headers.get('location') ?? '';
  if (status >= 300 && status < 400 && isAt(location, redirectUri)) {
    const error = new URL(location).searchParams.get('error');
    if (error === null || expected.includes(error))
      return checkResult(NAME, 'ok', `the provider accepts ${redirectUri} and the parameters of a sign-in`);
    return refused(error, redirectUri);
  }
  if (status === 400)
    return checkResult(
      NAME,
      'failed',
      `the provider refuses a sign-in with status 400: register ${redirectUri} there, and compare provider.clientId and provider.scopes`,
    );
  if (status > 400)
    return checkResult(NAME, 'warning', `the authorization endpoint responds with status ${status}`);
  return cannotTell(redirectUri, 'the provider shows a page');
}

/** A pushed request (RFC 9126) is judged when it is pushed. The authorization endpoint may be reachable for browsers only. */
function resultOfFailure(error: unknown, redirectUri: string): CheckResult {
  const cause = causesOf(error).find(
    (each) => each instanceof ResponseBodyError || each instanceof AuthorizationResponseError,
  );
  if (cause !== undefined) return refused(cause.error, redirectUri);
  return cannotTell(redirectUri, `the authorization endpoint cannot be called from here: ${reasonOf(error)}`);
}

function refused(error: string, redirectUri: string): CheckResult {
  const code = /^[\w.-]{1,64}$/.test(error) ? error : 'an error';
  return refusals.includes(error)
    ? checkResult(
        NAME,
        'failed',
        `the provider refuses a sign-in with ${code}: compare ${redirectUri}, provider.clientId, provider.scopes, provider.authorizationParams and provider.par with the registration of the client`,
      )
    : checkResult(NAME, 'warning', `the provider responds to a sign-in without a user with ${code}`);
}

function cannotTell(redirectUri: string, why: string): CheckResult {
  return checkResult(
    NAME,
    'ok',
    `cannot tell whether ${redirectUri} is registered: ${why}; sign in once to try it`,
  );
}

function isAt(location: string, redirectUri: string): boolean {
  if (!URL.canParse(location)) return false;
  const { origin, pathname } = new URL(location);
  return origin + pathname === redirectUri;
}
