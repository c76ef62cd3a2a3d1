import { createHash } from 'node:crypto';
import { ProofError } from '../../dpop/proof-verifier.ts';
import type { ClientAuthentication } from '../client-authentication.ts';
import type { Codes } from '../tokens/codes.ts';
import {
  type Parameters,
  type ProviderResponse,
  type ProviderRequest,
  formOf,
  required,
} from '../messages.ts';
import type { Families, Family, Presented } from '../tokens/families.ts';
import type { Grant } from '../tokens/grant.ts';
import type { Issuance } from '../tokens/issuance.ts';
import { createMachineGrants } from './machine-grants.ts';
import { ProtocolError } from '../protocol-error.ts';
import type { Secrets } from '../secrets.ts';
import type { ProviderSettings } from '../settings.ts';

type TokenParts = {
  settings: ProviderSettings;
  codes: Codes;
  families: Families;
  issuance: Issuance;
  secrets: Secrets;
  authenticate: ClientAuthentication;
  /** The URL of the endpoint. */
  url: string;
};

type TokenResponse = Record<string, unknown>;

/** The token endpoint, called once the client is authenticated. */
export type Token = {
  endpoint(request: ProviderRequest): Promise<ProviderResponse>;
  /** @throws ProtocolError */
  grant(form: Parameters, thumbprint?: string): Promise<TokenResponse>;
};

/** The token endpoint: authorization codes, refresh tokens (RFC 6749, sections 4.1.3 and 6) and the machine grants. */
export function createToken(parts: TokenParts): Token {
  const { settings, codes, families, issuance, secrets, authenticate, url } = parts;

  const redeemCode = async (form: Parameters, thumbprint?: string): Promise<TokenResponse> => {
    const code = codes.redeem(required(form, 'code'));
    const { grant, redirectUri, codeChallenge } = code.authorization;
    if (required(form, 'redirect_uri') !== redirectUri) {
      throw new ProtocolError('invalid_grant', 'redirect_uri is not that of the authorization request');
    }
    const verifier = secrets.record('code_verifier', required(form, 'code_verifier'));
    if (!isVerifierOf(codeChallenge, verifier)) {
      throw new ProtocolError('invalid_grant', 'code_verifier does not match the challenge');
    }
    checkThumbprint(grant, thumbprint);
    checkResource(settings, form['resource']);
    const family = families.open(grant);
    code.family = family;
    return {
      ...(await issuance.accessToken(family, grant.scopes, form['resource'], thumbprint)),
      ...(gives(grant, grant.scopes) && { refresh_token: await issuance.refreshToken(family, 1) }),
      id_token: await issuance.idToken(family, 'authorization_code'),
    };
  };

  const refresh = async (form: Parameters, thumbprint?: string): Promise<TokenResponse> => {
    const presented = families.present(required(form, 'refresh_token'));
    const { family } = presented;
    checkThumbprint(family.grant, thumbprint);
    const scopes = narrowed(settings, family, form['scope']);
    checkResource(settings, form['resource']);
    families.spend(presented);
    const successor = gives(family.grant, scopes) ? await successorOf(presented) : undefined;
    return {
      ...(await issuance.accessToken(family, scopes, form['resource'], thumbprint)),
      ...(successor !== undefined && { refresh_token: successor }),
      id_token: await issuance.idToken(family, 'refresh_token'),
    };
  };

  const gives = (grant: Grant, scopes: readonly string[]) =>
    settings.givesRefreshToken?.(grant, scopes) ?? true;

  const successorOf = async ({ family, entry }: Presented): Promise<string | undefined> => {
    switch (settings.rotate) {
      case 'off':
        return undefined;
      case 'same':
        return entry.token;
      case 'new':
      case 'strict':
      case 'once':
      case 'grace':
        return issuance.refreshToken(family, entry.generation + 1);
    }
  };

  const grants: Record<string, (form: Parameters, thumbprint?: string) => Promise<TokenResponse>> = {
    authorization_code: redeemCode,
    refresh_token: refresh,
    ...createMachineGrants({ settings, families, issuance, checkResource }),
  };

  /** The thumbprint of the key of a valid proof; undefined where none is required. */
  const thumbprintOf = ({ proof }: ProviderRequest) =>
    settings.proofs?.verify(proof, { method: 'POST', url }).catch((error: unknown) => {
      throw error instanceof ProofError ? new ProtocolError(error.code, error.message) : error;
    });

  const grant = async (form: Parameters, thumbprint?: string): Promise<TokenResponse> => {
    const grantType = required(form, 'grant_type');
    const serve = grants[grantType];
    if (serve === undefined)
      throw new ProtocolError('unsupported_grant_type', `${grantType} is not supported`);
    const response = await serve(form, thumbprint);
    return settings.patchTokenResponse?.(response, grantType) ?? response;
  };

  return {
    grant,
    endpoint: async (request) => {
      const form = formOf(request);
      await authenticate(request.authorization, form);
      settings.checkTokenRequest?.(form);
      const thumbprint = await thumbprintOf(request);
      const message = { status: 200, body: await grant(form, thumbprint) };
      return settings.patchTokenMessage?.(message) ?? message;
    },
  };
}

/** RFC 7636, sections 4.1 and 4.6. */
function isVerifierOf(challenge: string, verifier: string): boolean {
  if (!/^[A-Za-z0-9._~-]{43,128}$/.test(verifier)) return false;
  return createHash('sha256').update(verifier).digest('base64url') === challenge;
}

/** The key of a proof must be the one that the authorization request named (RFC 9449, section 10). */
function checkThumbprint({ parameters }: Grant, thumbprint: string | undefined): void {
  if (thumbprint !== undefined && parameters['dpop_jkt'] !== thumbprint)
    throw new ProtocolError('invalid_grant', 'the proof has another key than the authorization request');
}

/** The requested resources, which must be known (RFC 8707, section 2). */
function checkResource({ resources }: ProviderSettings, resource = ''): void {
  const isKnown = resource.split(' ').every((name) => name === '' || resources?.includes(name) !== false);
  if (!isKnown) throw new ProtocolError('invalid_target', 'there is no such resource');
}

/** The requested scopes of a refresh, which must be among the granted ones (RFC 6749, section 6). */
function narrowed(
  { narrow }: ProviderSettings,
  family: Family,
  scope: string | undefined,
): readonly string[] {
  if (scope === undefined) return family.grant.scopes;
  const asked = scope.split(' ');
  if (narrow) return narrow(family.grant.scopes, asked);
  if (asked.every((name) => family.grant.scopes.includes(name))) return asked;
  throw new ProtocolError('invalid_scope', 'the scope exceeds what was granted');
}
