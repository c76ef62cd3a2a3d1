import { randomBytes } from 'node:crypto';
import type { SigningKeys } from '../../crypto/signing-keys.ts';
import type { AuthorizationConfig } from './keys.ts';
import { CLOCK_TOLERANCE_SECONDS } from './request.ts';

/** Puts the parameters of a backchannel authentication request into the form that the provider expects. */
export type SignBackchannelRequest = (
  parameters: Readonly<Record<string, string>>,
) => Promise<Readonly<Record<string, string>>>;

/** How long a signed request is valid, in seconds. */
const LIFETIME_SECONDS = 60;

/** Signs the parameters (OpenID CIBA Core 1.0, section 7.1.1); undefined when the configuration asks for no signature. */
export function createBackchannelRequest(
  {
    requestObject,
    issuer,
    clientId,
  }: Pick<AuthorizationConfig, 'requestObject'> & { issuer: string; clientId: string },
  signingKeys: Pick<SigningKeys, 'sign'>,
): SignBackchannelRequest | undefined {
  if (requestObject === undefined) return undefined;
  return async (parameters) => {
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      ...parameters,
      iss: clientId,
      aud: issuer,
      iat: now,
      nbf: now - CLOCK_TOLERANCE_SECONDS,
      exp: now + LIFETIME_SECONDS,
      jti: randomBytes(32).toString('base64url'),
    };
    return { request: await signingKeys.sign(claims, { algorithm: requestObject.signingAlg }) };
  };
}
