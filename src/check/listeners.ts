import { X509Certificate } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { isIP } from 'node:net';
import { dirname } from 'node:path';
import type { Config } from '../config/schema/schema.ts';
import { formatListenAddress, UNIX_PEER, type ListenAddress } from '../config/values/address.ts';
import { isGuessable } from '../config/values/secrets/secret.ts';
import { isLoopbackHost } from '../config/values/url.ts';
import { checkResult, type CheckResult } from '../provider/check-result.ts';

/**
 * Warns of an admin listener that other machines may reach without a token, of a token that can be guessed, of a Unix socket
 * whose proxy is not trusted, and of a certificate that browsers reject.
 */
export async function checkListeners(config: Config): Promise<readonly CheckResult[]> {
  const { listen, admin } = config;
  const [ownFolder, adminFolder] = await Promise.all([listen, admin.listen].map(missingFolder));
  return [
    ...(listen.socketPath === undefined ? [] : [ownFolder ?? checkSocket(config)].map(named('listen'))),
    ...checkCertificate(config).map(named('tls')),
    ...[adminFolder ?? checkAdmin(config)].map(named('admin')),
  ];
}

type UnnamedResult = Omit<CheckResult, 'name'>;

function named(name: string) {
  return ({ verdict, detail }: UnnamedResult): CheckResult => checkResult(name, verdict, detail);
}

/** The gateway creates the file of a socket, but not its folder. */
async function missingFolder(address: ListenAddress): Promise<UnnamedResult | undefined> {
  if (address.socketPath === undefined) return undefined;
  const folder = dirname(address.socketPath);
  const isFolder = await stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (isFolder) return undefined;
  return {
    verdict: 'failed',
    detail: `${folder} is not a directory: create it, writable for this user`,
  };
}

function checkSocket({ listen, trustProxy }: Config): UnnamedResult {
  const address = formatListenAddress(listen);
  if (trustProxy.includes(UNIX_PEER)) return { verdict: 'ok', detail: address };
  const detail = `${address}, without ${UNIX_PEER} in trustProxy: X-Forwarded-For is not read, and all clients count as one; add it`;
  return { verdict: 'warning', detail };
}

/** Browsers reject a certificate that is not valid now, or not for the host of `baseUrl`. */
function checkCertificate({ tls, baseUrl }: Config): UnnamedResult[] {
  if (tls.certificate === undefined) return [];
  const certificate = new X509Certificate(tls.certificate);
  const { validFromDate, validToDate } = certificate;
  const dates = `from ${validFromDate.toISOString()} to ${validToDate.toISOString()}`;
  if (Date.now() < validFromDate.getTime() || Date.now() > validToDate.getTime())
    return [{ verdict: 'failed', detail: `tls.certificate is valid ${dates}, and not now: renew it` }];
  const host = new URL(baseUrl).hostname.replace(/^\[|\]$/g, '');
  const isFor = isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host);
  if (isFor === undefined)
    return [
      {
        verdict: 'failed',
        detail: `tls.certificate is not for ${host}, the host of baseUrl: issue it for that`,
      },
    ];
  return [{ verdict: 'ok', detail: `a certificate for ${host}, valid ${dates}` }];
}

function checkAdmin({ admin: { listen, token } }: Config): UnnamedResult {
  const address = formatListenAddress(listen);
  if (token !== undefined && isGuessable(token))
    return {
      verdict: 'warning',
      detail: 'admin.token can be guessed; expected a random text, such as that of `openssl rand -hex 32`',
    };
  if (isPrivate(listen)) return { verdict: 'ok', detail: `${address}, which other machines cannot reach` };
  if (token !== undefined)
    return { verdict: 'ok', detail: `${address}, with a token for sessions; keep the port private` };
  return {
    verdict: 'warning',
    detail: `${address} is reachable from other machines, and shows metrics and the console without a token; let only probes and Prometheus reach it`,
  };
}

function isPrivate({ host }: ListenAddress): boolean {
  return host === undefined || isLoopbackHost(host.includes(':') ? `[${host}]` : host);
}
