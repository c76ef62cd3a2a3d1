import { z } from 'zod';
import { credentialsProviderSchema } from './credentials.ts';
import { oauth2ProviderSchema } from './oauth2.ts';
import { oidcProviderSchema } from './oidc.ts';

/** The token server people sign in with, of one kind or another. */
export const providerSchema = z
  .discriminatedUnion('type', [oidcProviderSchema, oauth2ProviderSchema, credentialsProviderSchema], {
    error: ({ code }) =>
      code === 'invalid_union'
        ? 'expected oidc, oauth2 or credentials'
        : 'expected a mapping with a type (oidc, oauth2 or credentials) and the keys of that type',
  })
  .describe('The identity provider.');
