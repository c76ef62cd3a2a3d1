import { z } from 'zod';
import { duration } from '../values/duration.ts';
import { identitySchema } from './access/identity.ts';
import { accessRules } from './access/rule.ts';
import { headerNames, requestHeadersToSet, responseHeadersToSet } from './headers.ts';
import { pathPrefix } from '../values/path.ts';
import { perMinute } from './rate-limit.ts';
import { flag, integer, oneOf, shaped, text } from '../values/scalar.ts';
import { section } from './declaration/section.ts';
import { upstreamTls } from './tls.ts';
import { resources, routeTokenKeys } from './token/route-token.ts';
import { size } from '../values/size.ts';
import { upstreamUrls } from '../values/url.ts';

const method = shaped(
  /^(?!(?:CONNECT|TRACE)$)[A-Z]+(?:-[A-Z]+)*$/,
  'expected a method in upper case, other than CONNECT and TRACE',
);

// SECURITY: the gateway's own cookies carry the session; a route must not pass them on.
const cookieName = () =>
  shaped(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 'expected a cookie name (RFC 6265 section 4.1.1)').refine(
    (name) => !/^(?:__Host-Http-)?coatcheck/i.test(name),
    "expected a cookie other than the gateway's own",
  );

const cookieNames = () => z.array(cookieName(), 'expected a list of cookie names').prefault([]);

/** One prefix of paths and the API it leads to. */
export const routeSchema = section({
  path: pathPrefix().meta({
    description:
      'The path prefix, such as `/api`, matched at segment boundaries. No trailing slash, dot segments, percent-encoding or wildcard; unique among the routes, even if letter case and trailing dots are ignored.',
    example: '/api',
  }),
  upstream: upstreamUrls('expected an http(s) URL, without query, fragment or credentials')
    .exactOptional()
    .meta({
      description:
        'The http(s) URL of the API, or a list of the URLs of its servers. Its path is prepended to the path of the request. A route that only a proxy in `trustProxy` uses, by `GET /auth/check`, needs none.',
      details: 'With `https://api.internal/v2`, `/api/x` goes to `/v2/api/x`.',
      see: '[Several servers of an API](operations.md#list-the-servers-of-an-api)',
      example: 'https://api.internal:8443',
      setInReference: true,
    }),
  tls: upstreamTls().prefault({}).meta({
    description: 'TLS to the upstream: a private CA, a client certificate, another server name.',
    see: '[A private CA](operations.md#trust-a-private-ca)',
  }),
  stripPrefix: flag().prefault(false).meta({
    description:
      'Whether the path of the route is removed before forwarding: with `true`, `/api/x` goes upstream as `/x`.',
  }),
  auth: oneOf(['required', 'optional', 'none']).prefault('required').meta({
    description:
      '`required`: only with a session. `optional`: a token if there is a session. `none`: never a token.',
  }),
  methods: z
    .array(method, 'expected a list of methods')
    .min(1, 'expected at least one method')
    .prefault(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
    .meta({ description: 'The methods that are forwarded; any other gets 405.' }),
  websocket: flag().prefault(false).meta({ description: 'Whether WebSocket upgrades are forwarded.' }),
  scopes: z.array(text('expected a scope'), 'expected a list of scopes').prefault([]).meta({
    description:
      'Narrower scopes for this upstream, which then gets an access token of its own (RFC 6749, section 6).',
  }),
  resource: resources().meta({
    description:
      'Resource indicators for this upstream, which then gets an access token of its own (RFC 8707).',
  }),
  ...routeTokenKeys,
  timeout: section({
    connect: duration({ min: 1 }).prefault('5s').meta({
      description: 'How long connecting to the upstream may take.',
    }),
    headers: duration({ min: 1 }).prefault('30s').meta({
      description: 'How long the upstream may take to start its response.',
    }),
    idle: duration().prefault('60s').meta({
      description: 'How long a body may stall in either direction; `0s` is no limit, for streams.',
      details:
        'Within each such time, a request body must deliver 100 bytes a second on average, unless the API itself reads nothing.',
    }),
  })
    .prefault({})
    .meta({ description: 'How long the upstream may take; a request that takes longer gets 504.' }),
  connections: section({
    max: integer({ min: 1, max: 65_535 }).prefault(4_096).meta({
      description:
        'How many connections one process may have to the upstream. Further requests wait for one, for `timeout.headers` at most. A stream occupies its connection until it ends.',
    }),
    idle: duration({ min: 1 }).prefault('4s').meta({
      description:
        "How long an unused connection is kept. Must be shorter than the upstream keeps its own (Node's default: 5 seconds).",
    }),
    maxAge: duration().prefault('1m').meta({
      description:
        'How long a connection is used before a new one, to a freshly resolved address, replaces it; `0s` is forever.',
    }),
    reuse: oneOf(['all', 'bodiless']).prefault('all').meta({
      description:
        'Which connections are used again: `all`; or `bodiless`, never after a request with a body, for upstreams that may leave a body unread.',
    }),
  })
    .prefault({})
    .meta({ description: 'The connections of one process to the upstream, which are reused.' }),
  replayBody: size().prefault('64kb').meta({
    description:
      'A request body up to this size is kept, so that it can be sent again with a new token after a 401.',
  }),
  maxBody: size().prefault('10mb').meta({
    description: 'The largest request body that is forwarded; a larger one gets 413. `0` is no limit.',
  }),
  maxPerMinute: perMinute().prefault(0).meta({
    description:
      'How many requests of one session are forwarded in a minute; without a session, of one address. `0` is no limit, 6000 the maximum.',
    see: '[Rate limits](#rate-limits)',
  }),
  maxConcurrent: integer({ min: 0, max: 65_535 }).prefault(256).meta({
    description:
      'How many requests and open WebSockets of one session, or of one address without a session, one process handles at once; more get 429 `rate_limited`. `0` is no limit.',
  }),
  requestHeaders: section({
    set: requestHeadersToSet().prefault({}).meta({
      description:
        'Header fields to add or replace on the way to the upstream. Not `Authorization`, `Cookie`, `Host` or connection fields.',
      secret: true,
    }),
    remove: headerNames().prefault([]).meta({
      description: 'Header fields to remove on the way to the upstream.',
      misplacedSecret: true,
    }),
    allow: headerNames().prefault([]).meta({
      description:
        'When not empty, the only header fields of a client that are forwarded, besides the usual content fields (`Accept*`, `Content-*`, `If-*`, `Range`, `User-Agent`, `Cache-Control`, `Pragma`).',
      misplacedSecret: true,
    }),
  })
    .prefault({})
    .meta({ description: 'Changes to the header fields of requests.' }),
  responseHeaders: section({
    set: responseHeadersToSet().prefault({}).meta({
      description: 'Header fields to add or replace on the way to the browser. Not connection fields.',
      secret: true,
    }),
    remove: headerNames().prefault([]).meta({
      description: 'Header fields to remove on the way to the browser.',
      misplacedSecret: true,
    }),
  })
    .prefault({})
    .meta({ description: 'Changes to the header fields of responses.' }),
  cookies: section({
    toUpstream: cookieNames().meta({
      description: "Names of the browser's cookies that the upstream gets. Never the gateway's own.",
    }),
    fromUpstream: cookieNames().meta({
      description: "Names of cookies that the upstream may set in the browser. Never the gateway's own.",
    }),
  })
    .prefault({})
    .meta({ description: 'The cookies that are forwarded; none by default.' }),
  require: accessRules()
    .prefault([])
    .meta({
      description:
        'Rules that a session must meet, on requests and WebSocket upgrades: all of them, or the response is 403 `not_allowed`.',
      details:
        'A rule about a claim that is missing, or of another type, does not hold, and neither does its `not`.',
      see: '[Access](access.md)',
      example: [{ claim: '/realm_access/roles', contains: 'admin' }],
    }),
  forwardAuth: section({
    authorizationSecret: shaped(
      /^(?=.{32})[A-Za-z0-9._~+/-]+=*$/,
      'expected a secret of at least 32 letters, digits and ._~+/-',
    )
      .exactOptional()
      .meta({
        description:
          'A secret of at least 32 characters. A proxy that sends it to `GET /auth/check` as `X-Forward-Auth-Secret` also gets the access token, in `Authorization`. Without one, no proxy does.',
        see: '[Forward auth](access.md#let-another-proxy-ask)',
        example: '${file:/run/secrets/forward-auth}',
        secret: true,
      }),
  })
    .prefault({})
    .meta({ description: 'What a proxy in front that asks `GET /auth/check` gets.' }),
  identity: identitySchema
    .prefault({})
    .meta({ description: 'How the upstream learns who calls, from the claims of the session.' }),
}).meta({ description: 'One API: its path, its upstream and what is forwarded.' });
