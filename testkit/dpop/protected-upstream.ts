import type { Behaviour } from '../upstream/behaviours.ts';
import { echo } from '../upstream/behaviours.ts';
import type { UpgradeRequest } from '../upstream/upgrades.ts';
import { ProofError, type ProofVerifier } from './proof-verifier.ts';

/** An API that accepts only access tokens bound to a key, with a proof (RFC 9449, section 7). */
export type ProtectedResource = {
  /** Of the upstream. */
  readonly origin: string;
  readonly verifier: ProofVerifier;
  /** The thumbprint of the key that an active token is bound to. */
  readonly thumbprintOf: (accessToken: string) => Promise<string | undefined> | string | undefined;
};

/** The response to a request that is not accepted. */
type Refusal = { readonly status: 401; readonly headers: Record<string, string> };

/** Passes requests with a bound token and its proof on; responds 401 to others. */
export function requireProof(resource: ProtectedResource, next: Behaviour = echo): Behaviour {
  return async (request, response, record) => {
    const refusal = await refusalOf(resource, record);
    for (const [name, value] of Object.entries(nonceOf(resource))) response.setHeader(name, value);
    if (refusal === undefined) return next(request, response, record);
    await record.readBody();
    response.writeHead(refusal.status, refusal.headers).end();
  };
}

/** The same for upgrades. */
export function requireProofOfUpgrades(resource: ProtectedResource) {
  return (upgrade: UpgradeRequest): Promise<Refusal | undefined> =>
    refusalOf(resource, { ...upgrade, method: 'GET' });
}

async function refusalOf(
  { origin, verifier, thumbprintOf }: ProtectedResource,
  request: { method: string; target: string; header(name: string): string | undefined },
): Promise<Refusal | undefined> {
  const refuse = (error: string): Refusal => ({
    status: 401,
    headers: { 'www-authenticate': `DPoP error="${error}", algs="ES256"`, ...nonceOf({ verifier }) },
  });
  const accessToken = /^DPoP (\S+)$/i.exec(request.header('authorization') ?? '')?.[1];
  if (accessToken === undefined) return refuse('invalid_token');
  const thumbprint = await thumbprintOf(accessToken);
  if (thumbprint === undefined) return refuse('invalid_token');
  try {
    const url = origin + request.target.replace(/\?.*/, '');
    const proven = await verifier.verify(request.header('dpop'), {
      method: request.method,
      url,
      accessToken,
    });
    return proven === thumbprint ? undefined : refuse('invalid_token');
  } catch (error) {
    if (error instanceof ProofError) return refuse(error.code);
    throw error;
  }
}

function nonceOf({ verifier: { nonce } }: { verifier: ProofVerifier }): Record<string, string> {
  return nonce === undefined ? {} : { 'dpop-nonce': nonce };
}
