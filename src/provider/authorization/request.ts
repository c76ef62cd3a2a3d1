import * as oauth from 'openid-client';
import type { SigningKeys } from '../../crypto/signing-keys.ts';
import { toPrivateKey } from '../client/authentication.ts';
import { metadataOf } from '../client/metadata.ts';
import type { AuthorizationConfig } from './keys.ts';

/** The name of the endpoint in messages. */
export const PAR_ENDPOINT = 'pushed authorization request endpoint';

/** Returns the URL that the browser is sent to with these parameters. Throws the errors of openid-client. */
export type BuildAuthorizationUrl = (
  client: oauth.Configuration,
  parameters: URLSearchParams,
  options?: { DPoP?: oauth.DPoPHandle },
) => Promise<URL>;

/**
 * Signs the parameters as configured (RFC 9101), and pushes them to the provider (RFC 9126); the URL then has a reference to
 * them.
 */
export function createAuthorizationRequest(
  { par, requestObject, responseMode }: Pick<AuthorizationConfig, 'par' | 'requestObject' | 'responseMode'>,
  signingKeys: Pick<SigningKeys, 'current'>,
): BuildAuthorizationUrl {
  const sign = async (client: oauth.Configuration, parameters: URLSearchParams) => {
    if (requestObject === undefined) return parameters;
    const { signingAlg } = requestObject;
    const key = toPrivateKey(signingKeys.current(), signingAlg);
    const url = await oauth.buildAuthorizationUrlWithJAR(client, parameters, key, {
      [oauth.modifyAssertion](header, payload) {
        // openid-client 6.8 says "Ed25519" (RFC 9864); older providers know "EdDSA" only.
        header['alg'] = signingAlg;
        if (typeof payload['nbf'] === 'number') payload['nbf'] -= CLOCK_TOLERANCE_SECONDS;
      },
    });
    // Not those of the endpoint's own URL.
    return new URLSearchParams(
      ['client_id', 'request'].map((name) => [name, url.searchParams.get(name) ?? '']),
    );
  };

  return async (client, parameters, options) => {
    if (responseMode !== 'query') parameters.set('response_mode', responseMode);
    const request = await sign(client, parameters);
    return usesPar(par, metadataOf(client))
      ? oauth.buildAuthorizationUrlWithPAR(client, request, options)
      : oauth.buildAuthorizationUrl(client, request);
  };
}

/** How far a provider's clock may be behind, in seconds. FAPI 2.0 requires an `nbf` in a signed request. */
export const CLOCK_TOLERANCE_SECONDS = 30;

/** True when the parameters are pushed to the provider. */
export function usesPar(par: AuthorizationConfig['par'], server: Readonly<oauth.ServerMetadata>): boolean {
  return par !== 'off' && server.pushed_authorization_request_endpoint !== undefined;
}
