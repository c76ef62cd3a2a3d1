import type { ProviderSection } from '../config/schema/provider-section.ts';
import { credentialsKind } from './credentials/kind.ts';
import type { ProviderDeps, ProviderKind } from './kind.ts';
import { oauth2Kind } from './oauth2/kind.ts';
import { oidcKind } from './oidc/kind.ts';
import type { Provider } from './provider.ts';

/** Every kind of provider. A new one is a folder beside this file and a line here. */
export const providerKinds = [
  oidcKind, // an OpenID provider with discovery
  oauth2Kind, // an OAuth 2.0 server without discovery or ID tokens
  credentialsKind, // a vendor's API with login and refresh endpoints of its own
] as const satisfies readonly ProviderKind[];

/** Creates the configured provider. */
export function createProvider(
  deps: ProviderDeps<ProviderSection>,
  kinds: readonly ProviderKind[] = providerKinds,
): Provider {
  return kindOf(deps.config, kinds).create(deps);
}

/** The name of the configured provider: its issuer, or the origin of its endpoints. */
export function nameOf(config: ProviderSection, kinds: readonly ProviderKind[] = providerKinds): string {
  return kindOf(config, kinds).nameOf(config);
}

function kindOf({ type }: ProviderSection, kinds: readonly ProviderKind[]): ProviderKind {
  const kind = kinds.find((each) => each.type === type);
  if (kind === undefined) throw new TypeError(`unknown provider type: ${type}`);
  return kind;
}
