import type { Config } from '../config/schema/schema.ts';
import type { FileTexts } from '../config/sources.ts';
import { createConfigReader } from '../config/load.ts';
import { providerKinds } from './kinds.ts';

/** Reads and checks configurations whose provider is one of {@link providerKinds}. */
export const {
  loadConfig,
  describeConfig,
  parseConfig,
  schema: configSchema,
} = createConfigReader(providerKinds);

/** A configuration, and the files it was read from. */
export type LoadedConfig = { readonly config: Config; readonly file: string; readonly texts: FileTexts };
