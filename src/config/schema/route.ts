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
  path: pathPrefix().describe(
    'The path prefix, matched at segment boundaries; the most specific route wins.',
  ),
  upstream: upstreamUrl('expected an http(s) URL, without query, fragment or credentials').describe(
    'The http(s) URL of the API; a path in it is prepended to the request path.',
  ),
  stripPrefix: flag()
    .prefault(false)
    .describe('Whether the route path is stripped before forwarding: /api/x goes upstream as /x.'),
  auth: oneOf(['required', 'optional', 'none'])
    .prefault('required')
    .describe(
      'Whether a session is required: required, optional (a token if there is a session) or none (never a token).',
    ),
  methods: z
    .array(method, 'expected a list of methods')
    .min(1, 'expected at least one method')
    .prefault(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
    .describe('The allowed methods; any other gets 405.'),
  websocket: flag().prefault(false).describe('Whether WebSocket upgrades are allowed.'),
  scopes: z
    .array(text('expected a scope'), 'expected a list of scopes')
    .prefault([])
    .describe('Narrower scopes for this upstream, which then has its own access token (RFC 6749 section 6).'),
  resource: z
    .array(
      shaped(
        /^[a-z][a-z0-9+.-]*:[^\s#]+$/i,
        'expected an absolute URI without fragment (RFC 8707 section 2)',
      ),
      'expected a list of resources',
    )
    .prefault([])
    .describe('Resource indicators for this upstream, which then has its own access token (RFC 8707).'),
  timeout: section({
    connect: duration({ min: 1 }).prefault('5s').describe('The timeout for connecting to the upstream.'),
    headers: duration({ min: 1 }).prefault('30s').describe('The timeout for the upstream response headers.'),
    idle: duration()
      .prefault('60s')
      .describe('The longest pause in a body in either direction; 0s means no limit, for streams.'),
  })
    .prefault({})
    .describe('Upstream timeouts; a request that exceeds one gets 504.'),
  connections: section({
    max: integer({ min: 1, max: 65_535 })
      .prefault(4_096)
      .describe(
        'The most connections from one process to the upstream; further requests wait for one, up to timeout.headers.',
      ),
    idle: duration({ min: 1 })
      .prefault('4s')
      .describe(
        'How long an idle connection is kept; must be shorter than the idle timeout of the upstream.',
      ),
    maxAge: duration()
      .prefault('1m')
      .describe('The age at which a connection is replaced, with a new DNS lookup; 0s means never.'),
    reuse: oneOf(['all', 'bodiless'])
      .prefault('all')
      .describe(
        'Which connections are used again: all; or bodiless, never after a request with a body, for upstreams that may leave a body unread.',
      ),
  })
    .prefault({})
    .describe('The pool of connections to the upstream.'),
  replayBody: size()
    .prefault('64kb')
    .describe('A request body up to this size is buffered, so that it can be replayed after a 401.'),
  maxBody: size()
    .prefault('10mb')
    .describe('The largest allowed request body; a larger one gets 413; 0 means no limit.'),
  maxPerMinute: perMinute()
    .prefault(0)
    .describe(
      'Requests per minute for each session or, without a session, for each client address. 0 means no limit.',
    ),
  maxConcurrent: integer({ min: 0, max: 65_535 })
    .prefault(256)
    .describe(
      'Concurrent requests and open WebSockets in one process for each session or, without a session, for each client address. 0 means no limit.',
    ),
  requestHeaders: section({
    set: requestHeadersToSet()
      .prefault({})
      .describe('Header fields to add or replace in requests to the upstream.'),
    remove: headerNames().prefault([]).describe('Header fields to drop from requests to the upstream.'),
    allow: headerNames()
      .prefault([])
      .describe(
        'When not empty, the only header fields of a client that pass, besides the usual content fields.',
      ),
  })
    .prefault({})
    .describe('Changes to the header fields of requests to the upstream.'),
  responseHeaders: section({
    set: responseHeadersToSet()
      .prefault({})
      .describe('Header fields to add or replace in responses to the browser.'),
    remove: headerNames().prefault([]).describe('Header fields to drop from responses to the browser.'),
  })
    .prefault({})
    .describe('Changes to the header fields of responses to the browser.'),
  cookies: section({
    toUpstream: cookieNames().describe("Names of the browser's cookies that are forwarded to the upstream."),
    fromUpstream: cookieNames().describe('Names of cookies that the upstream may set in the browser.'),
  })
    .prefault({})
    .describe('Cookies that are passed on; none by default.'),
}).describe('One API: its path, its upstream and what is passed on.');
