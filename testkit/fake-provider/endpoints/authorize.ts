import type { Codes } from '../tokens/codes.ts';
import {
  type Parameters,
  type ProviderResponse,
  type ProviderRequest,
  parametersOf,
  required,
} from '../messages.ts';
import { ProtocolError } from '../protocol-error.ts';
import type { Secrets } from '../secrets.ts';
import type { ProviderSettings } from '../settings.ts';

type AuthorizeParts = {
  issuer: string;
  settings: ProviderSettings;
  codes: Codes;
  secrets: Secrets;
  nowMs: () => number;
};

/**
 * The authorization endpoint. It shows no page: it redirects the browser back at once, with a code for the user who is
 * signed in, or with an error (RFC 6749, section 4.1.2.1). Without a trusted redirect URI it responds with 400.
 */
export function createAuthorize({ issuer, settings, codes, secrets, nowMs }: AuthorizeParts) {
  /** When each user signed in first. */
  const authenticatedAtMs = new Map<string, number>();

  const grantCode = (parameters: Parameters, redirectUri: string): Parameters => {
    const subject = parameters['login_hint'] ?? settings.user;
    if (subject === undefined) {
      if (parameters['prompt'] === 'none') throw new ProtocolError('login_required', 'nobody is signed in');
      throw new ProtocolError('access_denied', 'the person went away');
    }
    const isHonoured = settings.stepUp === 'honoured';
    const firstAtMs = authenticatedAtMs.get(subject) ?? nowMs();
    authenticatedAtMs.set(subject, firstAtMs);
    const code = secrets.record('code', secrets.mint('code'));
    const grant = {
      subject,
      sid: secrets.mint('sid'),
      scopes: required(parameters, 'scope')
        .split(' ')
        .filter((scope) => !settings.refusedScopes.includes(scope)),
      resource: parameters['resource'],
      parameters,
      nonce: required(parameters, 'nonce'),
      authTimeMs: isHonoured ? nowMs() : firstAtMs,
      acr: isHonoured ? parameters['acr_values']?.split(' ')[0] : undefined,
    };
    codes.add(code, { grant, redirectUri, codeChallenge: required(parameters, 'code_challenge') });
    return { code };
  };

  return async (request: ProviderRequest): Promise<ProviderResponse> => {
    const parameters = parametersOf(request.form ?? request.query);
    const redirectUri = required(parameters, 'redirect_uri');
    if (required(parameters, 'client_id') !== settings.client.id) {
      throw new ProtocolError('invalid_request', 'the client is unknown');
    }
    if (!settings.client.redirectUris.includes(redirectUri)) {
      throw new ProtocolError('invalid_request', 'the redirect URI is not registered');
    }

    let result: Parameters;
    try {
      checkParameters(parameters);
      settings.checkAuthorization?.(parameters);
      result = grantCode(parameters, redirectUri);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      result = { error: error.error, error_description: error.message };
    }
    const { state } = parameters;
    const sent = { ...result, ...(state !== undefined && { state }), iss: issuer };
    const patched = settings.patchAuthorizationResponse?.(sent) ?? sent;
    return { status: 302, headers: { location: withQuery(redirectUri, patched) } };
  };
}

function checkParameters(parameters: Parameters): void {
  for (const name of ['request', 'request_uri']) {
    if (parameters[name]) throw new ProtocolError(`${name}_not_supported`, `${name} is not supported`);
  }
  if (required(parameters, 'response_type') !== 'code') {
    throw new ProtocolError('unsupported_response_type', 'response_type is not code');
  }
  if ((parameters['response_mode'] ?? 'query') !== 'query') {
    throw new ProtocolError('invalid_request', 'response_mode is not query');
  }
  if (!required(parameters, 'scope').split(' ').includes('openid')) {
    throw new ProtocolError('invalid_scope', 'scope has no openid');
  }
  required(parameters, 'state');
  required(parameters, 'nonce');
  if (required(parameters, 'code_challenge_method') !== 'S256') {
    throw new ProtocolError('invalid_request', 'code_challenge_method is not S256');
  }
  if (!/^[A-Za-z0-9_-]{43}$/.test(required(parameters, 'code_challenge'))) {
    throw new ProtocolError('invalid_request', 'code_challenge is not the hash of a verifier');
  }
}

/** Adds parameters to a registered URI, which may already have a query. */
export function withQuery(uri: string, parameters: Parameters): string {
  const url = new URL(uri);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.append(name, value);
  return url.href;
}
