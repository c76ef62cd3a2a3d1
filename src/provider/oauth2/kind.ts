import { defineProviderKind } from '../kind.ts';
import { createOAuth2Provider, mainEndpointOf } from './provider.ts';
import { oauth2Rules } from './rules.ts';
import { oauth2Schema } from './schema.ts';

/** A plain OAuth 2.0 server (RFC 6749), without discovery or ID tokens. */
export const oauth2Kind = defineProviderKind({
  type: 'oauth2',
  schema: oauth2Schema,
  accessTokens: 'per-audience',
  rules: oauth2Rules,
  nameOf: (section) => new URL(mainEndpointOf(section)).origin,
  create: createOAuth2Provider,
});
