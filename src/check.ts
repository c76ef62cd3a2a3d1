import { reasonOf } from './check/reason.ts';
import { checkStore } from './check/store.ts';
import { claimsWanted } from './config/claims-in-use.ts';
import type { Config } from './config/schema/schema.ts';
import { createLogger } from './observability/log.ts';
import { createMetrics } from './observability/metrics.ts';
import type { ProxySetting } from './config/outgoing-proxy.ts';
import { checkResult, type CheckResult } from './provider/check-result.ts';
import { createProvider, nameOf } from './provider/kinds.ts';

/** Tests the configured store and provider. */
export async function checkDependencies(config: Config): Promise<readonly CheckResult[]> {
  const [store, provider] = await Promise.all([checkStore(config), checkProvider(config)]);
  return [...store, ...provider];
}

async function checkProvider(config: Config): Promise<readonly CheckResult[]> {
  const provider = createProvider({
    config: config.provider,
    redirectUri: `${config.baseUrl}${config.login.prefix}/callback`,
    sessionClaims: claimsWanted(config),
    refreshTimeoutMs: config.refresh.timeout,
    clock: Date.now,
    log: createLogger({ ...config.log, level: 'fatal' }),
    metrics: createMetrics(),
  });
  try {
    return [...describeProxy(config.provider.proxy), ...(await provider.diagnose())];
  } catch (error) {
    const detail = `${nameOf(config.provider)} cannot be used: ${reasonOf(error)}`;
    return [...describeProxy(config.provider.proxy), checkResult('provider', 'failed', detail)];
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
