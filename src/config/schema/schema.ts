import type { z } from 'zod';
import { declaredKeys, type DeclaredKey } from './declaration/declared-keys.ts';
import type { ProviderSectionKinds } from './provider-section.ts';
import type { refreshSchema } from './refresh.ts';
import { brokenRules } from './rules.ts';
import { configSections, type Config } from './sections.ts';
import type { sessionSchema } from './session.ts';

export type { Config };

/** The configuration with every key it declares. */
export type ConfigSchema = {
  readonly schema: z.ZodType<Config>;
  readonly keys: readonly DeclaredKey[];
  /** The paths of values that no message may show; `*` stands for any index. */
  readonly secretPaths: readonly DeclaredKey['path'][];
  /** The values of the enums in the schema. */
  readonly enumValues: ReadonlySet<string>;
};

/**
 * The schema of the whole configuration for a list of provider kinds: keys, defaults, checks and descriptions.
 *
 * Parsing turns durations into milliseconds, sizes into bytes and addresses into their parts.
 */
export function createConfigSchema(kinds: ProviderSectionKinds): ConfigSchema {
  const sections = configSections(kinds);
  const keys = declaredKeys(sections);
  const schema = sections.superRefine(
    (config, context) => {
      for (const { path, message } of brokenRules(config, context.issues, { keys, kinds })) {
        context.addIssue({ code: 'custom', path: [...path], message });
      }
    },
    // Rules between keys are checked even when other keys are invalid, so that users see all problems at once.
    { when: () => true },
  );
  const secretPaths = keys
    .filter((key) => key.schema['secret'] === true || key.schema['misplacedSecret'] === true)
    .map(({ path }) => path);
  const enumValues = new Set(
    keys.flatMap((key) => (key.schema.enum ?? []).filter((value) => typeof value === 'string')),
  );
  return { schema, keys, secretPaths, enumValues };
}

/** One API and how its requests are forwarded. */
export type RouteConfig = Config['routes'][number];

/** How sessions are stored, sealed, bounded and shown. */
export type SessionConfig = z.output<typeof sessionSchema>;

/** When and how access tokens are refreshed. */
export type RefreshConfig = z.output<typeof refreshSchema>;
