import { authenticateClient } from './client-authentication.ts';
import { type ProviderAnswer, type ProviderRequest, formOf, required } from './exchange.ts';
import type { Families } from './families.ts';
import type { ProviderSettings } from './settings.ts';

/** The revocation endpoint (RFC 7009): 200 for any token, known or not, and whatever the hint says. */
export function createRevoke({ settings, families }: { settings: ProviderSettings; families: Families }) {
  return async (request: ProviderRequest): Promise<ProviderAnswer> => {
    const form = formOf(request);
    authenticateClient(settings.client, request.authorization, form);
    families.revoke(required(form, 'token'));
    return { status: 200 };
  };
}
