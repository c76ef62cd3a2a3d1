import { checkListeners } from './check/listeners.ts';
import { checkProvider } from './check/provider.ts';
import { checkSpa } from './check/spa.ts';
import { checkStore } from './check/store.ts';
import { checkTraces } from './check/traces.ts';
import { checkUpstreams } from './check/upstreams.ts';
import type { Config } from './config/schema/schema.ts';
import type { CheckResult } from './provider/check-result.ts';

/** Tests everything that a configuration names: listeners, store, provider, APIs, the app's files and the trace collector. */
export async function checkDependencies(config: Config): Promise<readonly CheckResult[]> {
  const results = await Promise.all([
    checkListeners(config),
    checkStore(config),
    checkProvider(config),
    checkUpstreams(config),
    checkSpa(config),
    checkTraces(config),
  ]);
  return results.flat();
}
