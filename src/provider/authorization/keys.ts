import type { z } from 'zod';
import { section } from '../../config/schema/declaration/section.ts';
import { oneOf } from '../../config/values/scalar.ts';
import { signingAlgorithms } from '../../config/values/secrets/private-key.ts';

/** How the gateway sends authorization requests, and how it gets the responses. */
export const authorizationKeys = {
  par: oneOf(['auto', 'required', 'off']).prefault('auto').meta({
    description:
      'Whether the gateway sends the parameters of a sign-in directly to the provider (RFC 9126), so that the browser carries only a reference: `auto`, if the provider offers it; `required`; or `off`.',
    details: 'With `required`, the gateway uses no provider that does not offer it.',
    see: '[FAPI 2.0](fapi.md)',
  }),
  requestObject: section({
    signingAlg: oneOf(signingAlgorithms).meta({
      description: 'The algorithm with which the first of `keys` signs requests.',
      example: 'PS256',
    }),
  })
    .exactOptional()
    .meta({
      description:
        'Signs authorization requests, pushed or not (RFC 9101), and with `provider.login: decoupled` those of OpenID CIBA.',
      see: '[Signed requests](fapi.md#signed-requests)',
    }),
  responseMode: oneOf(['query', 'jwt']).prefault('query').meta({
    description:
      'How the provider sends the result of a sign-in: `query`, as parameters; or `jwt`, as one signed JWT (JARM). The gateway then rejects any other form.',
    see: '[Signed responses](fapi.md#signed-responses)',
  }),
  profile: oneOf(['none', 'fapi2']).prefault('none').meta({
    description:
      '`fapi2` rejects a configuration that is laxer than the FAPI 2.0 Security Profile; it changes no other key.',
    see: '[The profile](fapi.md#the-profile)',
  }),
};

/** The configuration of {@link authorizationKeys}. */
export type AuthorizationConfig = z.output<z.ZodObject<typeof authorizationKeys>>;
