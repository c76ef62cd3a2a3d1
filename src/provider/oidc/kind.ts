import { defineProviderKind } from '../kind.ts';
import { createOidcProvider } from './provider.ts';
import { oidcRules } from './rules.ts';
import { oidcSchema } from './schema.ts';

/** Any OpenID provider with discovery (OpenID Connect Discovery 1.0). */
export const oidcKind = defineProviderKind({
  type: 'oidc',
  schema: oidcSchema,
  accessTokens: 'per-audience',
  rules: oidcRules,
  nameOf: ({ issuer }) => issuer,
  create: createOidcProvider,
});
