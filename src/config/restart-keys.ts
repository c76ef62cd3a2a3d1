import { hasSameSettings } from './same-settings.ts';
import type { Config, ConfigSchema } from './schema/schema.ts';

/** The part of a new configuration that a reload applies. */
export type ReloadableConfig = {
  /** The new configuration, but for the keys that need a restart: they keep their values. */
  readonly config: Config;
  /** The keys that need a restart and have changed, by their paths. */
  readonly kept: readonly string[];
};

export function keepRestartKeys({ keys }: ConfigSchema, current: Config, next: Config): ReloadableConfig {
  const changed = keys
    .filter(({ schema }) => schema['needsRestart'] === true)
    .map(({ path }) => path)
    .filter((path) => !hasSameSettings(valueAt(current, path), valueAt(next, path)));
  const config = changed.reduce((kept, path) => withValueAt(kept, path, valueAt(current, path)), next);
  return { config, kept: changed.map((path) => path.join('.')) };
}

function valueAt(config: object, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    config,
  );
}

/** A copy of a mapping in which one value differs. */
function withValueAt<Mapping extends object>(
  mapping: Mapping,
  [key = '', ...rest]: readonly string[],
  value: unknown,
): Mapping {
  const copy = { ...mapping };
  if (rest.length === 0) {
    Reflect.set(copy, key, value);
    return copy;
  }
  const child: unknown = Reflect.get(mapping, key);
  Reflect.set(copy, key, withValueAt(typeof child === 'object' && child !== null ? child : {}, rest, value));
  return copy;
}

/** Says in the log which keys need a restart. */
export function warnOfRestartKeys(
  log: { warn(details: object, message: string): void },
  kept: ReloadableConfig['kept'],
): void {
  if (kept.length === 0) return;
  log.warn({ keys: kept }, 'keys that need a restart have changed; keeping their values');
}
