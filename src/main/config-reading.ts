import { ConfigError } from '../config/config-error.ts';
import type { Config } from '../config/schema/schema.ts';
import { recordingSources } from '../config/sources.ts';
import { loadConfig } from '../provider/read-config.ts';
import type { Reading } from './reading.ts';

/** Reads the configuration file, and makes settings of a valid configuration. */
export function readConfig<Settings>(
  file: string,
  settingsOf: (config: Config) => Settings,
): Reading<Settings> {
  const sources = recordingSources();
  const read = (): Reading<Settings>['result'] => {
    try {
      return { settings: settingsOf(loadConfig(file, sources)) };
    } catch (error) {
      return error instanceof ConfigError ? { problems: error.problems } : { error };
    }
  };
  const result = read();
  return { result, texts: sources.texts(), paths: sources.paths() };
}
