import type { ServerMetadata } from 'openid-client';
import { checkResult, type CheckResult } from '../check-result.ts';

/** Compares what a provider says about DPoP with the configuration (RFC 9449, section 5.1). */
export function diagnoseDpop(
  { dpop_signing_alg_values_supported: announced }: Readonly<ServerMetadata>,
  { dpop }: { readonly dpop: boolean },
): CheckResult[] {
  if (!dpop) return [];
  if (announced === undefined) {
    const detail =
      'not announced: sign-ins fail if the provider issues bearer tokens all the same; it may need a setting of the client';
    return [checkResult('DPoP', 'warning', detail)];
  }
  if (announced.includes('ES256'))
    return [checkResult('DPoP', 'ok', 'access tokens are bound to a key of their session, with ES256')];
  const detail = `proofs are signed with ES256, but the provider accepts ${announced.join(', ')}`;
  return [checkResult('DPoP', 'failed', detail)];
}
