import type { AccessRule } from './schema/access/rule.ts';
import type { Config } from './schema/schema.ts';

/** The names of the claims that rules judge and that upstreams are told; each once. */
export function claimsInUse({ login, routes }: Pick<Config, 'login' | 'routes'>): string[] {
  const rules = [...login.require, ...routes.flatMap((route) => route.require)];
  const told = routes.flatMap(({ identity }) => [
    ...Object.values(identity.headers).flatMap((pointer) => pointer.slice(0, 1)),
    ...(identity.jwt?.claims ?? []),
  ]);
  return [...new Set([...rules.flatMap(claimsOfRule), ...told])];
}

/**
 * The names of the claims that a sign-in should bring, from userinfo where the ID token lacks them. How a user signed in
 * is a matter of the ID token alone.
 */
export function claimsWanted(config: Pick<Config, 'login' | 'routes' | 'session'>): string[] {
  const names = new Set([...config.session.claims, ...claimsInUse(config)]);
  return [...names].filter((name) => name !== 'acr' || config.session.claims.includes(name));
}

/** The claims a pointer leads into: the first key names the claim. */
function claimsOfRule(rule: AccessRule): readonly string[] {
  switch (rule.kind) {
    case 'claim':
      return rule.claim.slice(0, 1);
    case 'acr':
      return ['acr'];
    case 'scope':
      return [];
    case 'any':
      return rule.rules.flatMap(claimsOfRule);
    case 'not':
      return claimsOfRule(rule.rule);
  }
}
