import * as client from 'openid-client';

const server = {
  issuer: 'https://login.example.com',
  token_endpoint: 'https://login.example.com/token',
  revocation_endpoint: 'https://login.example.com/revoke',
  jwks_uri: 'https://login.example.com/jwks',
};

/** The behaviour of a token endpoint: it responds, or fails as `fetch` does. */
export type Behaviour = () => Response | Promise<Response>;

/** Spends a refresh token by openid-client at an endpoint with this behaviour; returns the thrown error. */
export function refreshFailure(behaviour: Behaviour): Promise<unknown> {
  return failureOf(client.refreshTokenGrant(configuration(behaviour), 'canary-refresh-token'));
}

/** Revokes a refresh token by openid-client at an endpoint with this behaviour; returns the thrown error. */
export function revocationFailure(behaviour: Behaviour): Promise<unknown> {
  return failureOf(client.tokenRevocation(configuration(behaviour), 'canary-refresh-token'));
}

/** Finishes a login by openid-client with a callback and a token endpoint with this behaviour; returns the thrown error. */
export function loginFailure(callback: string, behaviour: Behaviour = unreachable): Promise<unknown> {
  const url = new URL(callback, 'https://app.example.com/auth/callback');
  return failureOf(
    client.authorizationCodeGrant(configuration(behaviour), url, {
      expectedState: 'st',
      expectedNonce: 'no',
      pkceCodeVerifier: 'v'.repeat(43),
      idTokenExpected: true,
    }),
  );
}

/** A JSON response, or a text as it is. */
export function jsonResponse(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return new Response(typeof body === 'string' ? body : JSON.stringify(body), {
    status,
    headers: { 'Content-Type': 'application/json', ...headers },
  });
}

/** The rejection of `fetch` for a failed connection. */
export function fetchFailed(code: string): Promise<never> {
  return Promise.reject(new TypeError('fetch failed', { cause: Object.assign(new Error(code), { code }) }));
}

function unreachable(): Promise<never> {
  return fetchFailed('ECONNREFUSED');
}

/** A client of openid-client whose endpoints have this behaviour. */
export function configuration(behaviour: Behaviour): client.Configuration {
  const made = new client.Configuration(server, 'web', {}, client.ClientSecretBasic('canary-secret'));
  made[client.customFetch] = async () => behaviour();
  return made;
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('it was expected to fail');
}
