import * as oauth from 'openid-client';
import type { AuthorizationConfig } from './keys.ts';

/** The name of the endpoint in messages. */
export const PAR_ENDPOINT = 'pushed authorization request endpoint';

/** Returns the URL that the browser is sent to with these parameters. Throws the errors of openid-client. */
export type BuildAuthorizationUrl = (
  client: oauth.Configuration,
  parameters: URLSearchParams,
  options?: { DPoP?: oauth.DPoPHandle },
) => Promise<URL>;

/** Pushes the parameters to the provider as configured (RFC 9126); the URL then has a reference to them. */
export function createAuthorizationRequest({ par }: AuthorizationConfig): BuildAuthorizationUrl {
  return async (client, parameters, options) =>
    usesPar(par, client.serverMetadata())
      ? oauth.buildAuthorizationUrlWithPAR(client, parameters, options)
      : oauth.buildAuthorizationUrl(client, parameters);
}

/** True when the parameters are pushed to the provider. */
export function usesPar(par: AuthorizationConfig['par'], server: Readonly<oauth.ServerMetadata>): boolean {
  return par !== 'off' && server.pushed_authorization_request_endpoint !== undefined;
}
