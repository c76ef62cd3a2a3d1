import type { Config, RouteConfig } from '../config/schema/schema.ts';
import { GatewayError } from '../errors.ts';
import { allClaims } from '../sessions/store/claim-selection.ts';
import type { SessionData, SessionView } from '../sessions/session.ts';
import type { Audience } from '../tokens/audience.ts';
import type { AccessToken } from '../tokens/token-set.ts';
import { currentClaims } from './claims.ts';
import { compileRules, type AccessRules, type AccessSubject } from './rules.ts';

/** Who may get a session, and who may call a route. */
export type AccessPolicy = {
  /** Throws `not_allowed` for a sign-in that does not meet `login.require`. */
  checkSignIn(signIn: SignInSubject): void;
  /** Throws `not_allowed` for a session that does not meet `login.require` any more. */
  checkSession(session: SessionView): void;
  /** The check of one route; undefined when no rule applies to it, so that it costs nothing. */
  ofRoute(route: Pick<RouteConfig, 'require' | 'auth'>, audience: Audience): RouteAccess | undefined;
};

type SignInSubject = Pick<SessionData, 'claims' | 'userinfo'> & {
  readonly tokenResponse: { readonly scope?: string | undefined };
};

/** The rules of one route. */
export type RouteAccess = {
  /** Throws `not_allowed` when the current claims or scopes of a session do not meet a rule. */
  check(session: SessionView): void;
  /** Throws `not_allowed` when the claims of a caller's own access token do not meet a rule of the route. */
  checkToken(claims: SessionData['claims']): void;
};

export function createAccessPolicy({ login, provider }: Pick<Config, 'login' | 'provider'>): AccessPolicy {
  const signInRules = compileRules(login.require);
  const signInScopes = scopesOf(provider).join(' ');

  return {
    checkSignIn({ tokenResponse, ...data }) {
      // Without a scope in it, the response grants what was asked for (RFC 6749, section 5.1).
      const subject = { claims: allClaims(data), scope: tokenResponse.scope ?? signInScopes };
      enforce(signInRules, subject, 'login.require', 'not_allowed');
    },

    checkSession({ data }) {
      const claims = currentClaims(data);
      enforce(signInRules, { claims, scope: scopeOf(data.tokens.access[''], signInScopes) }, 'login.require');
    },

    ofRoute(route, audience) {
      const routeRules = compileRules(route.require);
      if (route.auth === 'none' || (routeRules === undefined && signInRules === undefined)) return undefined;
      const requestedScopes = audience.scopes.length > 0 ? audience.scopes.join(' ') : signInScopes;
      return {
        check({ data }) {
          const claims = currentClaims(data);
          const { '': signInToken, [audience.id]: token } = data.tokens.access;
          enforce(signInRules, { claims, scope: scopeOf(signInToken, signInScopes) }, 'login.require');
          enforce(routeRules, { claims, scope: scopeOf(token, requestedScopes) }, "the route's require");
        },
        // `login.require` is about who gets a session, which such a caller never has.
        checkToken(claims) {
          enforce(routeRules, { claims, scope: scopeOfToken(claims) }, "the route's require");
        },
      };
    },
  };
}

/** Without a scope in its response, a token has those that were asked for. */
function scopeOf(token: AccessToken | undefined, requested: string): string | undefined {
  return token && (token.scope ?? requested);
}

/** The scopes of an access token: `scope` (RFC 9068, section 2.2.3), or `scp`, a text or a list, of some providers. */
function scopeOfToken({ scope, scp }: SessionData['claims']): string | undefined {
  const found = scope ?? scp;
  if (typeof found === 'string') return found;
  return Array.isArray(found) ? found.filter((name) => typeof name === 'string').join(' ') : undefined;
}

/** The scopes of every sign-in; a provider kind may have none. */
function scopesOf(provider: Config['provider']): readonly unknown[] {
  const scopes: unknown = Reflect.get(provider, 'scopes');
  return Array.isArray(scopes) ? scopes : [];
}

/** SECURITY: the response names the rule by its index, and says nothing about the user's claims. */
function enforce(
  rules: AccessRules | undefined,
  subject: AccessSubject,
  list: string,
  authError?: 'not_allowed',
): void {
  const denial = rules?.(subject);
  if (denial === undefined) return;
  const { index } = denial;
  throw new GatewayError('not_allowed', {
    detail: `Rule ${index} of ${list} does not hold.`,
    rule: index,
    authError,
  });
}
