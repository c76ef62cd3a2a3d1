import { shaped } from './scalar.ts';

/** Parameters of the authorization request that only the gateway may write. */
export const protocolParameters = [
  'client_id',
  'code_challenge',
  'code_challenge_method',
  'dpop_jkt',
  'nonce',
  'redirect_uri',
  'request',
  'request_uri',
  'response_mode',
  'response_type',
  'scope',
  'state',
] as const;

/** Further parameters that a page must not choose: they change what is issued, to whom, or who is signed in. */
const notForPages: ReadonlySet<string> = new Set([
  ...protocolParameters,
  'audience',
  'authorization_details',
  'claims',
  'client_assertion',
  'client_assertion_type',
  'client_secret',
  'id_token_hint',
  'registration',
  'resource',
]);

/** Parameters of `GET /auth/login` that are for the gateway itself. */
const ownParameters: ReadonlySet<string> = new Set(['returnto', 'stepup']);

/**
 * The name of a parameter that a page may choose (RFC 6749, appendix A).
 *
 * SECURITY: ASP.NET ignores the letter case of parameter names, and PHP takes a dot for an underscore.
 */
export function pageParameterName() {
  const fold = (name: string) => name.toLowerCase().replaceAll('.', '_');
  return shaped(/^[A-Za-z0-9._-]{1,64}$/, 'expected the name of a parameter, such as ui_locales')
    .refine(
      (name) => !notForPages.has(fold(name)),
      'the gateway sets this parameter itself; a page cannot choose it',
    )
    .refine(
      (name) => !ownParameters.has(fold(name)),
      'this is a parameter of the gateway itself; it does not pass to the provider',
    );
}
