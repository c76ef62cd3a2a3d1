import type { z } from 'zod';
import type { ConfigIssue, IsValid } from '../config/diagnostics/issue.ts';
import type {
  OtherKeys,
  ProviderSchema,
  ProviderSection,
  ProviderSectionKind,
} from '../config/schema/provider-section.ts';
import type { RouteScopes } from '../config/route-scopes.ts';
import type { SigningKeys } from '../crypto/signing-keys.ts';
import type { Logger } from '../observability/log.ts';
import type { Tracing } from '../observability/tracing/tracing.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Provider } from './provider.ts';

/** The inputs of a provider. */
export type ProviderDeps<Section> = {
  config: Section;
  /** Where the provider sends the browser back to. From the configuration, never from a request. */
  redirectUri: string;
  /** The claims that sessions show to the page. */
  sessionClaims: readonly string[];
  /** What every sign-in asks for besides the scopes of the section. */
  routeScopes?: RouteScopes;
  /** How long one refresh may take; every other call may take `config.timeout`. */
  refreshTimeoutMs: number;
  /** The keys of `keys`. */
  signingKeys: Pick<SigningKeys, 'current' | 'sign' | 'decrypt'>;
  clock: () => number;
  log: Logger;
  metrics: Metrics;
  tracing?: Tracing | undefined;
};

/** A provider kind for sections of its `type` only. */
export type ProviderKind = ProviderSectionKind & {
  /** The name of the provider, without a call to it: its issuer, or the origin of its endpoints. */
  nameOf(section: ProviderSection): string;
  create(deps: ProviderDeps<ProviderSection>): Provider;
};

/** The complete declaration of one provider kind. */
type Descriptor<Schema extends ProviderSchema> = {
  type: string;
  schema: Schema;
  accessTokens: ProviderSectionKind['accessTokens'];
  /** The rules between keys of the section. Paths are relative to the section. */
  rules?(section: z.output<Schema>, isValid: IsValid, others: OtherKeys): Iterable<ConfigIssue>;
  nameOf(section: z.output<Schema>): string;
  create(deps: ProviderDeps<z.output<Schema>>): Provider;
};

/** A provider kind that recognizes its own sections. */
type DefinedKind<Schema extends ProviderSchema> = ProviderKind & {
  readonly schema: Schema;
  owns(section: ProviderSection): section is z.output<Schema>;
};

/** Creates a {@link ProviderKind} from a descriptor, whose functions get only sections of their own type. */
export function defineProviderKind<Schema extends ProviderSchema>(
  descriptor: Descriptor<Schema>,
): DefinedKind<Schema> {
  const { type, schema, accessTokens, rules } = descriptor;
  // The schema has read the section: a section of this type has the keys of this schema.
  const owns = (section: ProviderSection): section is z.output<Schema> => section.type === type;
  const own = (section: ProviderSection): z.output<Schema> => {
    if (owns(section)) return section;
    throw new TypeError(`expected a provider section of type ${type}, got ${section.type}`);
  };
  return {
    type,
    schema,
    accessTokens,
    owns,
    brokenRules: (section, isValid, others) => rules?.(own(section), isValid, others) ?? [],
    nameOf: (section) => descriptor.nameOf(own(section)),
    create: ({ config, ...deps }) => descriptor.create({ ...deps, config: own(config) }),
  };
}
