import type { Parameters } from './exchange.ts';
import { ProtocolError } from './protocol-error.ts';
import type { Client } from './settings.ts';

type Credentials = { method: Client['authentication']; id: string; secret: string };

/**
 * Checks that a request comes from the client, by the one method it is registered for.
 *
 * @throws ProtocolError `invalid_client` otherwise, with a challenge when the Authorization header was tried
 * (RFC 6749, section 5.2); `invalid_request` for two methods at once (section 2.3).
 */
export function authenticateClient(
  client: Client,
  authorization: string | undefined,
  form: Parameters,
): void {
  const credentials = readCredentials(authorization, form);
  const isClient =
    credentials.method === client.authentication &&
    credentials.id === client.id &&
    credentials.secret === client.secret;
  if (!isClient) {
    const challenge = authorization ? { 'www-authenticate': 'Basic realm="fake provider"' } : {};
    throw new ProtocolError('invalid_client', 'client authentication failed', 401, challenge);
  }
}

function readCredentials(authorization: string | undefined, form: Parameters): Credentials {
  if (authorization === undefined) {
    return {
      method: 'client_secret_post',
      id: form['client_id'] ?? '',
      secret: form['client_secret'] ?? '',
    };
  }
  if (form['client_secret'] !== undefined) {
    throw new ProtocolError('invalid_request', 'more than one method of client authentication');
  }
  const encoded = /^Basic ([A-Za-z0-9+/]+=*)$/i.exec(authorization)?.[1] ?? '';
  const [id = '', ...secret] = Buffer.from(encoded, 'base64').toString().split(':');
  return { method: 'client_secret_basic', id: formDecode(id), secret: formDecode(secret.join(':')) };
}

/** Undoes application/x-www-form-urlencoded, in which both parts of HTTP Basic are (RFC 6749, section 2.3.1). */
function formDecode(encoded: string): string {
  try {
    return decodeURIComponent(encoded.replaceAll('+', ' '));
  } catch {
    return '';
  }
}
