import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { GatewayError } from '../../errors.ts';
import type { OriginPolicy } from '../../http/inbound/csrf.ts';
import type { RequestContext } from '../../http/inbound/request-context.ts';
import type { Metrics } from '../../observability/metrics.ts';
import type { Tracing } from '../../observability/tracing/tracing.ts';
import { sessionExpired } from '../../sessions/no-session.ts';
import type { StepUpLinks } from '../../sessions/step-up-links.ts';
import type { EndWatcher } from '../../sessions/end-watcher.ts';
import type { Identities } from '../access-checks.ts';
import type { TokenResolver } from '../token-resolver.ts';
import { bringsToken } from '../tokens/bearer-callers.ts';
import { isOfRoute, mayStepUp, type Caller } from '../tokens/caller.ts';
import type { ConcurrencyLimit } from '../concurrency-limit.ts';
import type { RequestBody } from '../request/body.ts';
import { createRequestHeaderPolicy } from '../request/headers.ts';
import { createResponseHeaderPolicy } from '../response/headers.ts';
import { forEachServer, requireUpstream, type Route, type Routes, type UpstreamServer } from '../routes.ts';
import type { Tunnel } from './tunnel.ts';
import { callInSpan } from './traced-upgrade.ts';
import { callReachableServer } from './reachable-server.ts';
import { callAgainIf } from './repeated-upgrade.ts';
import { createUpgradeTarget, type UpgradeCall } from './upstream-upgrade.ts';
import type { ResponsePolicy, UpgradeRelay } from './relay.ts';
import type { ConnectionSlots, RouteSlots } from '../upstream/connection-slots.ts';
import type { Authorizations } from '../upstream/authorization.ts';
import { createNonceRepetition } from '../upstream/nonce-repetition.ts';
import { upstreamRequiresStepUp, type ActionOn } from '../upstream/challenge-action.ts';
import { explainUpstreamFailure } from '../upstream/errors.ts';
import type { RouteServers } from '../upstream/server-selection.ts';
import { acceptanceOf, readHandshake, requireWebSocket } from './handshake.ts';
import { whileWaiting } from './while-waiting.ts';

/** WebSocket upgrades on API routes. */
export type Upgrades = {
  /** Forwards an upgrade that belongs to a route; returns false for any other. Throws the error for the browser. */
  open(request: IncomingMessage, socket: Socket, early: Buffer, context: RequestContext): Promise<boolean>;
};

type UpgradeDeps = {
  tracing: Tracing | undefined;
  routes: Routes;
  originPolicy: OriginPolicy;
  tokenResolver: TokenResolver;
  concurrencyLimit: ConcurrencyLimit;
  endWatcher: EndWatcher;
  servers: RouteServers;
  slots: RouteSlots;
  relay: UpgradeRelay;
  stepUpLinks: StepUpLinks;
  identities: Identities;
  actionOn: ActionOn;
  authorizations: Authorizations;
  clock: () => number;
  metrics: Pick<Metrics, 'upstream401'>;
  baseUrl: string;
};

/** Policy violation (RFC 6455, section 7.4.1): the session that allowed the socket has ended. */
const SESSION_ENDED = 1008;

/** The longest timeout of Node.js, in milliseconds. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** Ends an upgrade with its session: at first by cancelling its call, later by closing its tunnel. */
type SessionEnd = { hasCome: boolean; act: () => void };

// Made out here, since a closure keeps everything that its neighbours refer to: a tunnel that is open for days would keep
// the request it began with.
const noBody: RequestBody = { content: null, again: () => null };

const givingUp = (call: UpgradeCall) => () => call.cancel(sessionExpired());
const closing = (tunnel: Tunnel) => () => tunnel.close(SESSION_ENDED);
const cutting = (socket: Socket) => () => void socket.destroy();

export function createUpgrades(deps: UpgradeDeps): Upgrades {
  const {
    tracing,
    routes,
    originPolicy,
    tokenResolver,
    concurrencyLimit,
    endWatcher,
    servers,
    slots,
    relay,
    stepUpLinks,
    identities,
    authorizations,
    clock,
  } = deps;
  const routeContexts = new Map(
    routes.all
      .filter(({ config }) => config.websocket)
      .map((route) => [route, createRouteContext(route, deps)]),
  );

  /** Ends the upgrade with its session in any phase, and releases its count at the end. */
  function watch(socket: Socket, caller: Caller | undefined, leave: () => void): SessionEnd {
    const end: SessionEnd = { hasCome: false, act: () => undefined };
    const come = () => {
      end.hasCome = true;
      end.act();
    };
    const unwatch = caller?.session ? endWatcher.watch(caller.session, come) : expiry(caller, come);
    socket.on('close', () => {
      leave();
      unwatch?.();
    });
    return end;
  }

  /** Ends the upgrade of a caller with a token of its own when that expires. */
  function expiry(caller: Caller | undefined, come: () => void): (() => void) | undefined {
    if (caller === undefined || !isOfRoute(caller) || caller.expiresAtMs === undefined) return undefined;
    const timer = setTimeout(come, Math.min(caller.expiresAtMs - clock(), LONGEST_TIMEOUT_MS)).unref();
    return () => clearTimeout(timer);
  }

  return {
    async open(request, socket, early, context) {
      const route = routes.match(context.target.path);
      const routeContext = route && routeContexts.get(route);
      if (route === undefined || routeContext === undefined) return false;
      context.route = route.config.path;
      requireUpstream(route);
      requireWebSocket(request);
      // A page cannot add `Authorization` to an upgrade.
      if (!bringsToken(route, request)) originPolicy.checkUpgrade(request);
      const caller = await whileWaiting(socket, () => tokenResolver.resolve(request, route, context));
      const identity = await identities(route, caller);
      if (socket.destroyed) return true;

      if (!(await whileWaiting(socket, () => takeSlot(slots(route), socket)))) return true;
      const sessionEnd = watch(socket, caller, concurrencyLimit.enter(route, caller, context));
      const { clientAddress, requestId } = context;
      const { rawHeaders } = request;
      const path = route.upstreamPath(context.target.path);
      const repetition =
        caller?.dpopKey === undefined ? undefined : createNonceRepetition(noBody, authorizations);
      const callServer = (server: UpstreamServer): UpgradeCall => {
        const { target, requestHeaders, spanAttributes } = routeContext.of(server);
        const { origin } = server;
        const send = (traceparent: string | undefined) => {
          const nonce = repetition?.takeNonce(origin);
          const authorization = caller && authorizations.of(caller, { method: 'GET', origin, path, nonce });
          const metadata = { credential: authorization, identity, clientAddress, requestId, traceparent };
          return target.request(path + context.target.query, requestHeaders(rawHeaders, metadata));
        };
        const request = () =>
          tracing === undefined
            ? send(undefined)
            : callInSpan(tracing, spanAttributes, (span) => send(span ?? context.trace?.traceparent));
        if (repetition === undefined) return request();
        return callAgainIf(({ head }) => repetition.actionOn(head, origin) === 'repeat', request);
      };
      const call = callReachableServer(route, servers(route), callServer);
      sessionEnd.act = givingUp(call);
      const tunnel = await relay
        .open({ request, socket, early, context }, call, routeContext.policyOf(request, context, caller))
        .catch(async (error: unknown) => {
          const failure = explainUpstreamFailure(error);
          throw caller?.session === undefined ? failure : await stepUpLinks.complete(failure, caller.session);
        });
      sessionEnd.act = tunnel === undefined ? cutting(socket) : closing(tunnel);
      // SECURITY: the session may have ended after the upstream responded, when there was no call left to cancel.
      if (sessionEnd.hasCome) sessionEnd.act();
      return true;
    },
  };
}

/**
 * Takes a connection slot of the route, which requests and upgrades share, until the browser's socket has closed. False when
 * it closed first. Throws `upstream_timeout` when none becomes free in time.
 */
function takeSlot(slots: ConnectionSlots, socket: Socket): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const go = () => {
      socket.off('close', leave);
      if (socket.destroyed) slots.release();
      else socket.once('close', slots.release);
      resolve(!socket.destroyed);
    };
    const leave = () => {
      slots.forgo(go);
      resolve(false);
    };
    if (slots.take(go, reject)) go();
    else socket.once('close', leave);
  });
}

/** The parts that are the same for all upgrades of a route. */
function createRouteContext(
  route: Route,
  { baseUrl, metrics, actionOn }: Pick<UpgradeDeps, 'baseUrl' | 'metrics' | 'actionOn'>,
) {
  const { identityFields } = route;
  const { timeout, tls } = route.config;
  const responseHeaders = createResponseHeaderPolicy(route.config);
  return {
    of: forEachServer(route, ({ origin, host }) => ({
      spanAttributes: {
        'http.request.method': 'GET',
        'http.route': route.config.path,
        'server.address': new URL(origin).hostname,
      },
      target: createUpgradeTarget(origin, { timeout, tls }),
      requestHeaders: createRequestHeaderPolicy(route.config, { host, baseUrl, identityFields }),
    })),
    policyOf(
      request: IncomingMessage,
      { requestId }: RequestContext,
      caller: Caller | undefined,
    ): ResponsePolicy {
      const acceptance = acceptanceOf(request.headers['sec-websocket-key'] ?? '');
      return {
        switched({ headers }) {
          const handshake = readHandshake(headers, acceptance);
          if (handshake !== undefined) return handshake;
          throw new GatewayError('upstream_invalid_response', {
            detail: 'The API did not complete the WebSocket handshake.',
          });
        },
        refused(head) {
          const action = caller && actionOn(head);
          if (action?.kind !== 'step_up' || !mayStepUp(caller, action.requirement))
            return responseHeaders(head.headers, requestId);
          metrics.upstream401('step_up');
          throw upstreamRequiresStepUp(action.requirement, route.audience);
        },
        idleMs: timeout.idle,
        route: route.config,
      };
    },
  };
}
