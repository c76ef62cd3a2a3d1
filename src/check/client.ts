import { randomBytes } from 'node:crypto';
import { ResponseBodyError } from 'openid-client';
import type { ProviderSection } from '../config/schema/provider-section.ts';
import { createDpopKey } from '../dpop/key.ts';
import { checkResult, type CheckResult } from '../provider/check-result.ts';
import type { Provider, RefreshOutcome } from '../provider/provider.ts';
import { createAudience } from '../tokens/audience.ts';
import { reasonOf } from './reason.ts';

const NAME = 'credentials';

/**
 * Tests whether the token endpoint accepts the client: a server authenticates the client before it looks at a refresh
 * token (RFC 6749, section 6), so a made-up one gets `invalid_grant` only with the right credentials. Nothing is issued,
 * and no grant is affected.
 */
export async function checkClient(
  provider: Provider,
  section: ProviderSection,
): Promise<readonly CheckResult[]> {
  // An API with a login of its own has no client credentials.
  if (!('clientId' in section)) return [];
  const outcome = await provider.refresh({
    refreshToken: `made-up-by-coatcheck-check-${randomBytes(16).toString('hex')}`,
    subject: 'nobody',
    audience: createAudience([], []),
    // A client that is registered for DPoP is refused without a proof (RFC 9449, section 5.2).
    ...('dpop' in section && section.dpop === true && { dpopKey: createDpopKey() }),
    maySend: () => true,
  });
  return [resultOf(outcome, keysOf(section))];
}

/** The codes of RFC 6749, section 5.2, for a client that is unknown, not authenticated or not allowed to refresh. */
const clientErrors: readonly string[] = ['invalid_client', 'unauthorized_client'];

function resultOf(outcome: RefreshOutcome, keys: string): CheckResult {
  const error = errorOf(outcome);
  if (error !== undefined && clientErrors.includes(error)) {
    const detail = `the token endpoint rejects this client with ${error}: correct ${keys}`;
    return checkResult(
      NAME,
      'failed',
      `${detail}; the client must be registered for the refresh_token grant as well`,
    );
  }
  switch (outcome.kind) {
    case 'rejected':
      return checkResult(NAME, 'ok', `the token endpoint accepts this client (${keys})`);
    case 'transient':
    case 'ambiguous':
    case 'misconfigured': {
      const received = error ?? reasonOf(outcome.cause);
      const detail = `cannot tell whether the token endpoint accepts this client: expected invalid_grant for a made-up refresh token, got ${received}; sign in once to try ${keys}`;
      return checkResult(NAME, 'warning', detail);
    }
    case 'refreshed':
    case 'identity_changed':
      return checkResult(
        NAME,
        'warning',
        'the token endpoint accepts a made-up refresh token: anybody may get tokens from it',
      );
  }
}

/** The error code of the response, if there was one. */
function errorOf(outcome: RefreshOutcome): string | undefined {
  if (outcome.kind === 'misconfigured') return outcome.error;
  const cause = 'cause' in outcome ? outcome.cause : undefined;
  return cause instanceof ResponseBodyError ? cause.error : undefined;
}

/** The keys of the configuration that authenticate the client. */
function keysOf(section: ProviderSection): string {
  const method = 'clientAuthentication' in section ? section.clientAuthentication : undefined;
  switch (method) {
    case 'none':
      return 'provider.clientId';
    case 'private_key_jwt':
      return 'provider.clientId and provider.privateKey';
    case 'tls_client_auth':
    case 'self_signed_tls_client_auth':
      return 'provider.clientId and provider.tls';
    default:
      return 'provider.clientId and provider.clientSecret';
  }
}
