import type { z } from 'zod';
import { createConfigReader } from '../config/load.ts';
import type { configSections } from '../config/schema/sections.ts';
import { providerKinds } from './kinds.ts';

type Sections = z.input<ReturnType<typeof configSections>>;

/** The configuration as people write it. */
export type ConfigInput = Omit<Sections, 'provider'> & {
  provider: z.input<(typeof providerKinds)[number]['schema']>;
};

/** Reads and checks configurations whose provider is one of {@link providerKinds}. */
export const { loadConfig, parseConfig, schema: configSchema } = createConfigReader(providerKinds);
