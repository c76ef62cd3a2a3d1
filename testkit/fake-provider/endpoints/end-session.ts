import { withQuery } from './authorize.ts';
import { type Parameters, type ProviderResponse, type ProviderRequest, parametersOf } from '../messages.ts';
import { ProtocolError } from '../protocol-error.ts';
import type { ProviderSettings } from '../settings.ts';
import type { Signer } from '../tokens/signer.ts';

type EndSessionParts = {
  settings: ProviderSettings;
  signer: Signer;
  endSession: (sid: unknown) => void;
};

/** The end-session endpoint (OpenID Connect RP-Initiated Logout): ends the session that `id_token_hint` names. */
export function createEndSession({ settings, signer, endSession }: EndSessionParts) {
  return async (request: ProviderRequest): Promise<ProviderResponse> => {
    const parameters = parametersOf(request.form ?? request.query);
    if (settings.endSession) {
      return { status: 302, headers: { location: settings.endSession(parameters, settings.client) } };
    }
    const returnTo = checkedReturn(settings, parameters);
    const hint = parameters['id_token_hint'];
    if (hint !== undefined) {
      const claims = await signer.verify(hint).catch(() => {
        throw new ProtocolError('invalid_request', 'id_token_hint is not an ID token of this provider');
      });
      endSession(claims['sid']);
    }
    if (returnTo === undefined) return { status: 200, body: 'signed out' };
    const { state } = parameters;
    return { status: 302, headers: { location: withQuery(returnTo, state === undefined ? {} : { state }) } };
  };
}

function checkedReturn({ client }: ProviderSettings, parameters: Parameters): string | undefined {
  const { client_id: clientId, id_token_hint: hint, post_logout_redirect_uri: returnTo } = parameters;
  if (clientId !== undefined && clientId !== client.id) {
    throw new ProtocolError('invalid_request', 'the client is unknown');
  }
  if (returnTo === undefined) return undefined;
  if (clientId === undefined && hint === undefined) {
    throw new ProtocolError('invalid_request', 'post_logout_redirect_uri without id_token_hint or client_id');
  }
  if (!client.postLogoutRedirectUris.includes(returnTo)) {
    throw new ProtocolError('invalid_request', 'post_logout_redirect_uri is not registered');
  }
  return returnTo;
}
