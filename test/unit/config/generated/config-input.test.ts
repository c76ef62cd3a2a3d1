import { expectTypeOf, it } from 'vitest';
import type { z } from 'zod';
import type { ConfigInput } from '../../../../src/config/config-input.ts';
import type { configSections } from '../../../../src/config/schema/sections.ts';
import type { providerKinds } from '../../../../src/provider/kinds.ts';

type Sections = z.input<ReturnType<typeof configSections>>;

/** The input type of the configuration schema. */
type Declared = Omit<Sections, 'provider'> & {
  provider: z.input<(typeof providerKinds)[number]['schema']>;
};

it('ConfigInput accepts exactly what the declaration of the configuration accepts', () => {
  expectTypeOf<ConfigInput>().toExtend<Declared>();
  expectTypeOf<Declared>().toExtend<ConfigInput>();
  expectTypeOf<keyof ConfigInput>().toEqualTypeOf<keyof Declared>();
});
