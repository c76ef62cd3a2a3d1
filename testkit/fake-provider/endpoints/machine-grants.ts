import { type Parameters, required } from '../messages.ts';
import { ProtocolError } from '../protocol-error.ts';
import type { ProviderSettings } from '../settings.ts';
import type { Families } from '../tokens/families.ts';
import type { Issuance } from '../tokens/issuance.ts';

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

type Grant = (form: Parameters, thumbprint?: string) => Promise<Record<string, unknown>>;

/** The grants without a user: client credentials (RFC 6749, section 4.4) and token exchange (RFC 8693). */
export function createMachineGrants(parts: {
  settings: ProviderSettings;
  families: Families;
  issuance: Issuance;
  /** @throws ProtocolError for an unknown resource */
  checkResource: (settings: ProviderSettings, resource: string | undefined) => void;
}): Record<string, Grant> {
  const { settings, families, issuance, checkResource } = parts;
  const scopesOf = ({ scope = '' }: Parameters) => scope.split(' ').filter((name) => name !== '');
  const familyOf = (token: string) => {
    const family = families.ofActive(token);
    if (family === undefined) throw new ProtocolError('invalid_request', 'the token is not active');
    return family;
  };

  return {
    client_credentials: async (form, thumbprint) => {
      checkResource(settings, form['resource']);
      const scopes = scopesOf(form);
      const family = families.open({
        subject: settings.client.id,
        sid: '',
        scopes,
        resource: undefined,
        parameters: form,
        nonce: '',
        authTimeMs: Date.now(),
        acr: undefined,
      });
      return issuance.accessToken(family, scopes, form['audience'] ?? form['resource'], thumbprint);
    },

    'urn:ietf:params:oauth:grant-type:token-exchange': async (form, thumbprint) => {
      if (required(form, 'subject_token_type') !== ACCESS_TOKEN)
        throw new ProtocolError('invalid_request', 'the subject token must be an access token');
      const family = familyOf(required(form, 'subject_token'));
      if (form['actor_token'] !== undefined) {
        if (required(form, 'actor_token_type') !== ACCESS_TOKEN)
          throw new ProtocolError('invalid_request', 'the actor token must be an access token');
        familyOf(form['actor_token']);
      }
      checkResource(settings, form['resource']);
      const issued = await issuance.accessToken(
        family,
        scopesOf(form),
        form['audience'] ?? form['resource'],
        thumbprint,
      );
      return { ...issued, issued_token_type: form['requested_token_type'] ?? ACCESS_TOKEN };
    },
  };
}
