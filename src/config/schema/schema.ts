import type { z } from 'zod';
import type { credentialsProviderSchema } from './credentials.ts';
import type { oauth2ProviderSchema } from './oauth2.ts';
import type { clientKeys, oidcProviderSchema } from './oidc.ts';
import type { refreshSchema } from './refresh.ts';
import { brokenRules } from './rules.ts';
import { sections } from './sections.ts';
import type { sessionSchema } from './session.ts';

/**
 * The whole configuration in one declaration: keys, defaults, checks and descriptions.
 *
 * Reading it turns durations into milliseconds, sizes into bytes and addresses into their parts.
 */
export const configSchema = sections.superRefine(
  (config, context) => {
    for (const { path, message } of brokenRules(config, context.issues)) {
      context.addIssue({ code: 'custom', path: [...path], message });
    }
  },
  // A rule between keys must not wait until every other key is right: the deployer wants all problems at once.
  { when: () => true },
);

/** The configuration as the gateway uses it: complete, checked, durations in milliseconds, sizes in bytes. */
export type Config = z.output<typeof sections>;

/** The configuration as people write it. */
export type ConfigInput = z.input<typeof sections>;

/** One API and the policy of the way to it. */
export type RouteConfig = Config['routes'][number];

/** An OpenID provider found by discovery. */
export type OidcProviderConfig = z.output<typeof oidcProviderSchema>;

/** A plain OAuth 2.0 server. */
export type OAuth2ProviderConfig = z.output<typeof oauth2ProviderSchema>;

/** A vendor's API with its own login and refresh endpoints. */
export type CredentialsProviderConfig = z.output<typeof credentialsProviderSchema>;

/** How sessions are stored, sealed, bounded and shown. */
export type SessionConfig = z.output<typeof sessionSchema>;

/** When and how access tokens are renewed. */
export type RefreshConfig = z.output<typeof refreshSchema>;

/** How the gateway proves to a token server that it is the client. */
export type ClientConfig = Pick<OidcProviderConfig, keyof typeof clientKeys>;
