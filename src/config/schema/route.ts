import { z } from 'zod';
import { duration } from '../values/duration.ts';
import { headerNames, requestHeadersToSet, responseHeadersToSet } from './headers.ts';
import { pathPrefix } from '../values/path.ts';
import { perMinute } from './rate-limit.ts';
import { flag, integer, oneOf, shaped, text } from '../values/scalar.ts';
import { section } from './section.ts';
import { size } from '../values/size.ts';
import { upstreamUrl } from '../values/url.ts';

const method = shaped(
  /^(?!(?:CONNECT|TRACE)$)[A-Z]+(?:-[A-Z]+)*$/,
  'expected a method in upper case, other than CONNECT and TRACE',
);

// SECURITY: the gateway's own cookies carry the session; a route that passed them on would give them away.
const cookieName = () =>
  shaped(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, 'expected a cookie name (RFC 6265 section 4.1.1)').refine(
    (name) => !/^(?:__Host-Http-)?coatcheck/i.test(name),
    "expected a cookie other than the gateway's own",
  );

const cookieNames = () => z.array(cookieName(), 'expected a list of cookie names').prefault([]);

/** One prefix of paths and the API it leads to. */
export const routeSchema = section({
  path: pathPrefix().describe('The path prefix, matched on segment borders; the most specific route wins.'),
  upstream: upstreamUrl('expected an http(s) URL, without query, fragment or credentials').describe(
    'The http(s) URL of the API; a path in it is put before the path of the request.',
  ),
  stripPrefix: flag()
    .prefault(false)
    .describe('Whether the path of the route is taken off before forwarding: /api/x goes upstream as /x.'),
  auth: oneOf(['required', 'optional', 'none'])
    .prefault('required')
    .describe(
      'Whether a session is needed: required, optional (a token if there is one) or none (no token, ever).',
    ),
  methods: z
    .array(method, 'expected a list of methods')
    .min(1, 'expected at least one method')
    .prefault(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
    .describe('The methods that pass; any other is answered with 405.'),
  websocket: flag().prefault(false).describe('Whether WebSocket upgrades pass.'),
  scopes: z
    .array(text('expected a scope'), 'expected a list of scopes')
    .prefault([])
    .describe('Narrower scopes for this upstream: it gets an access token of its own (RFC 6749 section 6).'),
  resource: z
    .array(
      shaped(
        /^[a-z][a-z0-9+.-]*:[^\s#]+$/i,
        'expected an absolute URI without fragment (RFC 8707 section 2)',
      ),
      'expected a list of resources',
    )
    .prefault([])
    .describe('Resource indicators for this upstream: it gets an access token of its own (RFC 8707).'),
  timeout: section({
    connect: duration({ min: 1 }).prefault('5s').describe('How long connecting to the upstream may take.'),
    headers: duration({ min: 1 })
      .prefault('30s')
      .describe('How long the upstream may take to begin its answer.'),
    idle: duration()
      .prefault('60s')
      .describe('How long a body may stand still in either direction; 0s is no limit, for streams.'),
  })
    .prefault({})
    .describe('How long the upstream may take; a request that runs over is answered with 504.'),
  connections: section({
    max: integer({ min: 1, max: 65_535 })
      .prefault(4_096)
      .describe(
        'How many connections one process may have open to the upstream; further requests wait for one, as long as timeout.headers.',
      ),
    idle: duration({ min: 1 })
      .prefault('4s')
      .describe('How long a connection is kept without a request: shorter than the upstream keeps its own.'),
    maxAge: duration()
      .prefault('1m')
      .describe(
        'How long a connection is used before a new one takes its place, at an address looked up anew; 0s is for ever.',
      ),
  })
    .prefault({})
    .describe('The connections to the upstream, which are kept and used again.'),
  replayBody: size()
    .prefault('64kb')
    .describe('A request body up to this size is kept, so that it can be sent again after a 401.'),
  maxBody: size()
    .prefault('10mb')
    .describe('The largest request body that passes; a larger one is answered with 413; 0 is no limit.'),
  maxPerMinute: perMinute()
    .prefault(0)
    .describe(
      'How many requests of one session pass in a minute; without a session, of one address. 0 is no limit.',
    ),
  maxConcurrent: integer({ min: 0, max: 65_535 })
    .prefault(0)
    .describe(
      'How many requests and open WebSockets of one session are under way at once in one process; without a session, of one address. 0 is no limit.',
    ),
  requestHeaders: section({
    set: requestHeadersToSet()
      .prefault({})
      .meta({ description: 'Header fields to add or replace on the way to the upstream.', secret: true }),
    remove: headerNames().prefault([]).describe('Header fields to drop on the way to the upstream.'),
  })
    .prefault({})
    .describe('Changes to the header fields of requests.'),
  responseHeaders: section({
    set: responseHeadersToSet()
      .prefault({})
      .meta({ description: 'Header fields to add or replace on the way to the browser.', secret: true }),
    remove: headerNames().prefault([]).describe('Header fields to drop on the way to the browser.'),
  })
    .prefault({})
    .describe('Changes to the header fields of answers.'),
  cookies: section({
    toUpstream: cookieNames().describe("Names of the browser's cookies that the upstream may see."),
    fromUpstream: cookieNames().describe('Names of cookies that the upstream may set in the browser.'),
  })
    .prefault({})
    .describe('Cookies that may pass; none by default.'),
}).describe('One API: the path it answers at, where it is and what may pass.');
