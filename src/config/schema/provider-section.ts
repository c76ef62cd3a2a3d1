import { z } from 'zod';
import type { ConfigIssue, IsValid } from '../diagnostics/issue.ts';
import { duration } from '../values/duration.ts';
import { proxySetting, type ProxySetting } from '../outgoing-proxy.ts';
import type { SigningKey } from '../values/secrets/private-key.ts';
import { clientTls, type ClientTls } from './tls.ts';

/** The keys of every `provider` section, and two that most have. Each provider kind adds its own keys. */
export type ProviderSection = {
  readonly type: string;
  readonly timeout: number;
  readonly proxy: ProxySetting;
  readonly tls: ClientTls;
  readonly scopes?: readonly string[];
  /** Fixed parameters of the authorization request. */
  readonly authorizationParams?: Readonly<Record<string, string>>;
};

/** The keys of every `provider` section besides `type`; each provider kind includes them in its schema. */
export const commonProviderKeys = {
  timeout: duration({ min: 1 }).prefault('10s').meta({
    description: 'How long one call to the provider may take. Refreshes have `refresh.timeout` instead.',
  }),
  proxy: proxySetting().prefault('env').meta({
    description:
      'The HTTP proxy for every call to the provider: `env`, the one of `HTTPS_PROXY` or `HTTP_PROXY` unless `NO_PROXY` has the host; `none`; or its URL, such as `http://user:password@proxy.internal:3128`.',
    see: '[Behind a corporate proxy](operations.md#go-through-a-corporate-proxy)',
    secret: true,
    secretUrl: true,
  }),
  tls: clientTls('the provider').prefault({}).meta({
    description: 'TLS to the provider: a private CA, a client certificate.',
    see: '[A private CA](operations.md#trust-a-private-ca)',
  }),
};

/** The schema of one provider kind: a mapping whose `type` is a literal. */
export type ProviderSchema = z.ZodType<
  ProviderSection,
  unknown,
  z.core.$ZodTypeInternals<ProviderSection, unknown> & z.core.$ZodTypeDiscriminable['_zod']
>;

/** One of `keys`. */
export type ConfiguredSigningKey = SigningKey & {
  /** Its place in the configuration, such as `keys[0]`. */
  readonly path: string;
};

/** The keys of the configuration outside of `provider` that its rules need. */
export type OtherKeys = {
  /** The first of `keys` that signs; undefined without one, `invalid` when `keys` is not valid. */
  readonly signingKey: ConfiguredSigningKey | 'invalid' | undefined;
};

/** The part of a provider kind that the configuration needs. The kinds are in a higher layer, so they are passed in. */
export type ProviderSectionKind = {
  /** The value of `provider.type`. */
  readonly type: string;
  readonly schema: ProviderSchema;
  /** `one`: the kind has no scopes or resources, so that routes cannot ask for access tokens of their own. */
  readonly accessTokens: 'one' | 'per-audience';
  /** Checks the rules between keys of the section. Paths are relative to the section. */
  brokenRules(section: ProviderSection, isValid: IsValid, others: OtherKeys): Iterable<ConfigIssue>;
};

export type ProviderSectionKinds = readonly [ProviderSectionKind, ...ProviderSectionKind[]];

/** The `provider` section: the keys of the kind that its `type` names. */
export function providerSection([first, ...rest]: ProviderSectionKinds) {
  const types = new Intl.ListFormat('en-GB', { type: 'disjunction' }).format(
    [first, ...rest].map(({ type }) => type),
  );
  return z
    .discriminatedUnion('type', [first.schema, ...rest.map(({ schema }) => schema)], {
      error: ({ code }) =>
        code === 'invalid_union'
          ? `expected ${types}`
          : `expected a mapping with a type (${types}) and the keys of that type`,
    })
    .meta({ description: 'The identity provider or token server that users sign in with.' });
}
