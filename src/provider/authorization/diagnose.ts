import type { ServerMetadata } from 'openid-client';
import { checkResult, type CheckResult } from '../check-result.ts';
import type { AuthorizationConfig } from './keys.ts';
import { usesPar } from './request.ts';

/** Compares what a provider says about authorization requests with the configuration. */
export function diagnoseAuthorization(
  server: Readonly<ServerMetadata>,
  { par }: Pick<AuthorizationConfig, 'par'>,
): CheckResult[] {
  if (usesPar(par, server))
    return [checkResult('PAR', 'ok', 'the parameters of a sign-in are pushed (PAR, RFC 9126)')];
  if (server.require_pushed_authorization_requests !== true) return [];
  const requires =
    'the provider requires pushed authorization requests (PAR, RFC 9126) and refuses every other sign-in';
  const detail =
    par === 'off'
      ? `${requires}: set provider.par to auto`
      : `${requires}, but no endpoint for them is known`;
  return [checkResult('PAR', 'failed', detail)];
}
