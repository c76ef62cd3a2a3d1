import type { Config } from '../config/schema/schema.ts';
import { isGuessable } from '../config/values/secrets/secret.ts';
import { isLoopbackHost } from '../config/values/url.ts';
import { checkResult, type CheckResult } from '../provider/check-result.ts';

/** Warns of an admin listener that other machines may reach without a token, and of a token that can be guessed. */
export function checkAdmin({ admin: { listen, token } }: Config): readonly CheckResult[] {
  const { host, port } = listen;
  const name = host.includes(':') ? `[${host}]` : host;
  const address = `${name}:${port}`;
  if (token !== undefined && isGuessable(token)) {
    const advice =
      'admin.token can be guessed; expected a random text, such as that of `openssl rand -hex 32`';
    return [checkResult('admin', 'warning', advice)];
  }
  if (isLoopbackHost(name))
    return [checkResult('admin', 'ok', `${address}, which other machines cannot reach`)];
  const exposed = `${address} is reachable from other machines, and shows metrics and the console without a token`;
  return token === undefined
    ? [checkResult('admin', 'warning', `${exposed}; let only probes and Prometheus reach it`)]
    : [checkResult('admin', 'ok', `${address}, with a token for sessions; keep the port private`)];
}
