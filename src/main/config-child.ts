import { keepRestartKeys } from '../config/restart-keys.ts';
import type { Config } from '../config/schema/schema.ts';
import { sourcesOf } from '../config/sources.ts';
import { hasCertificate, listenerTlsOptions } from '../http/server/listener-tls.ts';
import { configSchema, loadConfig } from '../provider/read-config.ts';
import type { SupervisorSettings } from '../workers/supervisor-service.ts';
import type { ConfigRequest } from './ask-config-child.ts';
import { readConfig } from './config-reading.ts';

/** The entry of a short-lived process that reads the configuration for the supervisor. */
process.once('message', (request: ConfigRequest) => {
  const reading = read(request);
  // The channel drops the code of an error.
  const code: unknown =
    'error' in reading.result ? Reflect.get(Object(reading.result.error), 'code') : undefined;
  process.send?.({ reading, code }, undefined, undefined, () => process.disconnect());
});
// The supervisor decides when all stop, and a terminal sends its signals to this process, too.
for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
// Node.js 24 drops a message that arrives before a listener: the supervisor sends the request only now.
process.send?.('getRequest');

function read({ file, initial }: ConfigRequest) {
  if (initial === undefined) return readConfig(file, (config) => settingsOf(config));
  const current = loadConfig(file, sourcesOf(initial));
  return readConfig(file, (next) => {
    const { config, kept } = keepRestartKeys(configSchema, current, next);
    requireUsableCertificate(config);
    return settingsOf(config, kept);
  });
}

/** Throws, before any worker reloads, when OpenSSL refuses the certificate of the listener. */
function requireUsableCertificate({ tls }: Config): void {
  if (hasCertificate(tls)) listenerTlsOptions(tls);
}

function settingsOf(config: Config, keptKeys: readonly string[] = []): SupervisorSettings {
  const { workers, baseUrl, listen, admin, log, shutdownTimeout, provider } = config;
  return {
    workers,
    baseUrl,
    listen,
    log,
    shutdownTimeout,
    keptKeys,
    admin: { listen: admin.listen },
    provider: { timeout: provider.timeout },
  };
}
