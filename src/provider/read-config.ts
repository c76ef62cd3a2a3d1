import { createConfigReader } from '../config/load.ts';
import { providerKinds } from './kinds.ts';

/** Reads and checks configurations whose provider is one of {@link providerKinds}. */
export const {
  loadConfig,
  describeConfig,
  parseConfig,
  schema: configSchema,
} = createConfigReader(providerKinds);
