import type { ClientAuthentication } from '../client-authentication.ts';
import { type ProviderResponse, type ProviderRequest, formOf, required } from '../messages.ts';
import type { Families } from '../tokens/families.ts';

/** The revocation endpoint (RFC 7009): it responds with 200 for any token, known or not, with any hint. */
export function createRevoke(parts: { families: Families; authenticate: ClientAuthentication }) {
  const { families, authenticate } = parts;

  return async (request: ProviderRequest): Promise<ProviderResponse> => {
    const form = formOf(request);
    await authenticate(request.authorization, form);
    families.revoke(required(form, 'token'));
    return { status: 200 };
  };
}
