import type { z } from 'zod';
import { oneOf } from '../../config/values/scalar.ts';

/** How the gateway sends authorization requests, and how it gets the responses. */
export const authorizationKeys = {
  par: oneOf(['auto', 'required', 'off']).prefault('auto').meta({
    description:
      'Whether the gateway sends the parameters of a sign-in directly to the provider (RFC 9126), so that the browser carries only a reference: `auto`, if the provider offers it; `required`; or `off`.',
    details: 'With `required`, a provider that does not offer it is not used.',
    see: '[FAPI 2.0](fapi.md)',
  }),
};

/** The configuration of {@link authorizationKeys}. */
export type AuthorizationConfig = z.output<z.ZodObject<typeof authorizationKeys>>;
