import type { RouteConfig } from '../../config/schema/schema.ts';
import { hashIdentifier } from '../../crypto/identifier.ts';
import { GatewayError } from '../../errors.ts';
import type { ClientTokens, NamedTarget } from '../../grants/client-tokens.ts';
import type { ExchangedTokens, ExchangeTarget } from '../../grants/exchanged-tokens.ts';
import type { ClientToken } from '../../grants/shared-tokens.ts';
import type { Credential } from '../../refresh/credential.ts';
import type { TokenTarget } from '../../provider/grants/token-grants.ts';
import type { TokenRefresher } from '../../refresh/token-refresher.ts';
import type { SessionView } from '../../sessions/session.ts';
import { createAudience, type Audience } from '../../tokens/audience.ts';
import { forEachRoute, type Route } from '../routes.ts';
import type { RouteCredential } from './caller.ts';

/** Finds what a request is sent with on a route whose `token` is not `user`. */
export type RouteTokens = {
  /**
   * Without a session, the caller is anonymous. Undefined when nothing is sent for it. Throws `session_expired`, and the
   * errors of the route's token.
   */
  of(route: Route, session: SessionView | undefined): Promise<RouteCredential | undefined>;
};

type Source = (session: SessionView | undefined) => Promise<RouteCredential | undefined>;

/** The token of the sign-in. */
const signInAudience = createAudience([], []);

export function createRouteTokens(deps: {
  routes: readonly Route[];
  refresher: TokenRefresher;
  clientTokens: ClientTokens | undefined;
  exchangedTokens: ExchangedTokens | undefined;
  /** What all tokens have in common: the issuer, the client, and whether new ones are bound to a key. */
  client: readonly string[];
}): RouteTokens {
  const { refresher, clientTokens, exchangedTokens, client } = deps;

  /**
   * Keeps the session itself refreshed, although its token is not sent: its claims stay current, and it ends when the
   * provider has ended it. While that is not possible, the session is as good as it was.
   */
  const current = async (session: SessionView): Promise<SessionView> => {
    try {
      return (await refresher.fresh(session, signInAudience)).session;
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'session_expired') throw error;
      return session;
    }
  };

  const clientSource = (config: RouteConfig, tokens: ClientTokens): Source => {
    const target = clientTarget(config, client);
    const credential = (token: ClientToken, session: SessionView | undefined): RouteCredential => ({
      kind: 'client',
      session,
      accessToken: token.value,
      dpopKey: token.dpopKey,
      renewal: {
        name: target.id,
        async afterRefusal(route) {
          const renewed = await tokens.afterRefusal(target, token.value, route);
          return renewed === undefined ? undefined : credential(renewed, session);
        },
        refusedAgain: (route) => tokens.refusedAgain(token.value, route),
      },
    });
    return async (session) => {
      const live = session && (await current(session));
      return credential(await tokens.fresh(target), live);
    };
  };

  const exchangeSource = (route: Route, tokens: ExchangedTokens): Source => {
    const target = exchangeTarget(route, clientTokens, client);
    const credential = (exchanged: Credential): RouteCredential => ({
      kind: 'exchange',
      session: exchanged.session,
      accessToken: exchanged.accessToken,
      dpopKey: exchanged.dpopKey,
      renewal: {
        name: exchanged.session.key,
        async afterRefusal(path) {
          const renewed = await tokens.afterRefusal(exchanged, target, path);
          return renewed && credential(renewed);
        },
        refusedAgain: (path) => tokens.refusedAgain(exchanged, path),
      },
    });
    // An anonymous caller has no token to exchange.
    return async (session) => session && credential(await tokens.fresh(session, target));
  };

  const noToken: Source = async (session) =>
    session && { kind: 'none', session: await current(session), accessToken: undefined, renewal: undefined };

  const sourceOf = forEachRoute(deps.routes, (route): Source | undefined => {
    switch (route.config.token) {
      case 'user':
        return undefined;
      case 'none':
        return noToken;
      // The configuration has these only with a provider that issues such tokens.
      case 'client':
        return clientTokens && clientSource(route.config, clientTokens);
      case 'exchange':
        return exchangedTokens && exchangeSource(route, exchangedTokens);
    }
  });

  return {
    async of(route, session) {
      const source = sourceOf(route);
      if (source === undefined) throw new Error(`route ${route.config.path} has no token of its own`);
      return source(session);
    },
  };
}

/** The audience of the session's own token on a route: scopes and resources of a client token are not the user's. */
export function ownAudienceOf({ config, audience }: Route): Audience {
  return config.token === 'client' || config.token === 'none' ? signInAudience : audience;
}

/** Routes with the same scopes, resources and audience share one token. */
function clientTarget({ scopes, resource, exchange }: RouteConfig, client: readonly string[]): NamedTarget {
  return namedTarget({ audience: exchange.audience, scopes, resources: resource }, client);
}

function namedTarget(target: TokenTarget, client: readonly string[]): NamedTarget {
  const { audience = '', scopes, resources } = target;
  const name = JSON.stringify([...client, audience, createAudience(scopes, resources).id]);
  return { ...target, id: hashIdentifier('client-token', name) };
}

/** The scopes and resources of the route itself are those of the user's token. */
function exchangeTarget(
  { config, audience: subject }: Route,
  clientTokens: ClientTokens | undefined,
  client: readonly string[],
): ExchangeTarget {
  const { audience, scopes, resource: resources, tokenType, actor } = config.exchange;
  const wanted = createAudience(scopes, resources).id;
  const actorTarget = namedTarget({ scopes: [], resources: [] }, client);
  return {
    id: `exchange ${JSON.stringify([audience ?? '', wanted, tokenType ?? '', actor, subject.id])}`,
    audience,
    scopes,
    resources,
    tokenType,
    subject,
    actorToken:
      actor === 'client' && clientTokens
        ? async () => (await clientTokens.fresh(actorTarget)).value
        : undefined,
  };
}
