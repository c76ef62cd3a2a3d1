import { createLocalJWKSet, jwtVerify } from 'jose';
import type { Parameters } from './messages.ts';
import { ProtocolError } from './protocol-error.ts';
import type { Client, ProviderSettings } from './settings.ts';

/**
 * Authenticates the client of a request by the one method it is registered for.
 *
 * @throws ProtocolError `invalid_client` otherwise, with a challenge when the Authorization header was tried
 * (RFC 6749, section 5.2); `invalid_request` for two methods at once (section 2.3).
 */
export type ClientAuthentication = (authorization: string | undefined, form: Parameters) => Promise<void>;

type Credentials =
  | { method: 'none'; id: string | undefined }
  | { method: 'client_secret_basic' | 'client_secret_post'; id: string; secret: string }
  | { method: 'private_key_jwt'; id: string | undefined; type: string; assertion: string };

/** The longest lifetime of an assertion, in seconds. */
const LONGEST_LIFE = 300;

/** Remembers the assertions received so far, because each is valid once. */
export function createClientAuthentication(parts: {
  issuer: string;
  tokenEndpoint: string;
  settings: ProviderSettings;
}): ClientAuthentication {
  const { issuer, tokenEndpoint, settings } = parts;
  const seen = new Set<string>();

  return async (authorization, form) => {
    const { client } = settings;
    const credentials = readCredentials(authorization, form);
    const refuse = (why: string) => {
      const challenge = authorization ? { 'www-authenticate': 'Basic realm="fake provider"' } : {};
      return new ProtocolError('invalid_client', `client authentication failed: ${why}`, 401, challenge);
    };
    if (credentials.method !== client.authentication) throw refuse(`${credentials.method} is not registered`);
    if (credentials.method === 'none') {
      if (credentials.id === client.id) return;
      throw refuse('client_id is that of another client');
    }
    if (credentials.method !== 'private_key_jwt') {
      if (credentials.id === client.id && credentials.secret === client.secret) return;
      throw refuse('the secret is wrong');
    }
    const { id = client.id, type, assertion } = credentials;
    if (id !== client.id) throw refuse('client_id is that of another client');
    if (type !== 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer') throw refuse('the type is wrong');
    const jti = await verify(client, assertion, { issuer, token_endpoint: tokenEndpoint }).catch(
      (error: unknown) => {
        throw refuse(String(error));
      },
    );
    if (seen.has(jti)) throw refuse('the assertion was used before');
    seen.add(jti);
  };
}

/**
 * Verifies an assertion (RFC 7523, section 3; draft-ietf-oauth-rfc7523bis: one audience) by the machine's clock, which
 * the client also uses, and returns its `jti`.
 */
async function verify(
  client: Client,
  assertion: string,
  audiences: { issuer: string; token_endpoint: string },
): Promise<string> {
  const { keys = [], assertionAudience = 'issuer' } = client;
  const { payload } = await jwtVerify(assertion, createLocalJWKSet({ keys: [...keys] }), {
    issuer: client.id,
    subject: client.id,
    audience: audiences[assertionAudience],
    requiredClaims: ['exp', 'jti'],
  });
  if (typeof payload.aud !== 'string') throw new Error('the assertion has several audiences');
  if ((payload.exp ?? 0) * 1000 > Date.now() + LONGEST_LIFE * 1000) throw new Error('it lives too long');
  return payload.jti ?? '';
}

function readCredentials(authorization: string | undefined, form: Parameters): Credentials {
  const { client_id: id, client_secret: secret, client_assertion: assertion } = form;
  const methods = [authorization, secret, assertion].filter((part) => part !== undefined);
  if (methods.length > 1) {
    throw new ProtocolError('invalid_request', 'more than one method of client authentication');
  }
  if (assertion !== undefined) {
    return { method: 'private_key_jwt', id, type: form['client_assertion_type'] ?? '', assertion };
  }
  if (authorization === undefined && secret === undefined) return { method: 'none', id };
  if (authorization === undefined) {
    return { method: 'client_secret_post', id: id ?? '', secret: secret ?? '' };
  }
  const encoded = /^Basic ([A-Za-z0-9+/]+=*)$/i.exec(authorization)?.[1] ?? '';
  const [name = '', ...rest] = Buffer.from(encoded, 'base64').toString().split(':');
  return { method: 'client_secret_basic', id: formDecode(name), secret: formDecode(rest.join(':')) };
}

/** Undoes application/x-www-form-urlencoded, in which both parts of HTTP Basic are (RFC 6749, section 2.3.1). */
function formDecode(encoded: string): string {
  try {
    return decodeURIComponent(encoded.replaceAll('+', ' '));
  } catch {
    return '';
  }
}
