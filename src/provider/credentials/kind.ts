import { defineProviderKind } from '../kind.ts';
import { createCredentialsProvider } from './provider.ts';
import { credentialsSchema } from './schema.ts';

/** A vendor's API whose own endpoints take a user name and password, and refresh tokens, in JSON. */
export const credentialsKind = defineProviderKind({
  type: 'credentials',
  schema: credentialsSchema,
  accessTokens: 'one',
  nameOf: ({ login }) => new URL(login.url).origin,
  create: createCredentialsProvider,
});
