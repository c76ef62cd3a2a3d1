import { claimsWanted } from '../config/claims-in-use.ts';
import type { ProxySetting } from '../config/outgoing-proxy.ts';
import type { Config } from '../config/schema/schema.ts';
import { createSigningKeys } from '../crypto/signing-keys.ts';
import { createLogger } from '../observability/log.ts';
import { createMetrics } from '../observability/metrics.ts';
import { checkResult, type CheckResult } from '../provider/check-result.ts';
import { createProvider, nameOf } from '../provider/kinds.ts';
import { checkClient } from './client.ts';
import { explainConnection } from './reason.ts';
import { checkSignIn } from './sign-in.ts';

/** Tests the configured provider: what it announces, and whether it accepts the client. */
export async function checkProvider(config: Config): Promise<readonly CheckResult[]> {
  const redirectUri = `${config.baseUrl}${config.login.prefix}/callback`;
  const provider = createProvider({
    config: config.provider,
    redirectUri,
    sessionClaims: claimsWanted(config),
    refreshTimeoutMs: config.refresh.timeout,
    signingKeys: createSigningKeys(config.keys),
    clock: Date.now,
    log: createLogger({ ...config.log, level: 'fatal' }),
    metrics: createMetrics(),
  });
  const proxy = describeProxy(config.provider.proxy);
  try {
    const found = await provider.diagnose();
    const client = await checkClient(provider, config.provider);
    return [...proxy, ...found, ...client, ...(await checkSignIn(provider, config.provider, redirectUri))];
  } catch (error) {
    const reason = explainConnection(error, { tlsKey: 'provider.tls', ca: config.provider.tls.ca });
    return [
      ...proxy,
      checkResult('provider', 'failed', `${nameOf(config.provider)} cannot be used: ${reason}`),
    ];
  } finally {
    provider.close();
  }
}

/** Names the proxies without their credentials. */
function describeProxy(setting: ProxySetting): CheckResult[] {
  if (setting.kind === 'none') return [];
  if (setting.kind === 'url')
    return [checkResult('proxy', 'ok', `${new URL(setting.url).host}, from provider.proxy`)];
  const { httpsProxy, httpProxy, noProxy } = setting;
  const used = [
    ...(httpsProxy === undefined ? [] : [`HTTPS_PROXY ${new URL(httpsProxy).host}`]),
    ...(httpProxy === undefined ? [] : [`HTTP_PROXY ${new URL(httpProxy).host}`]),
  ];
  if (used.length === 0) return [];
  return [checkResult('proxy', 'ok', [...used, ...(noProxy ? [`except ${noProxy}`] : [])].join(', '))];
}
