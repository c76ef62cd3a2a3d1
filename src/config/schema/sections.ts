import { z } from 'zod';
import { addressRange, hostName, listenAddress } from '../values/address.ts';
import { duration } from '../values/duration.ts';
import { localPath, pathPrefixBelowRoot } from '../values/path.ts';
import { providerSchema } from './provider-kinds.ts';
import { rateLimitSchema } from './rate-limit.ts';
import { refreshSchema } from './refresh.ts';
import { routeSchema } from './route.ts';
import { flag, integer, oneOf, shaped } from '../values/scalar.ts';
import { section } from './section.ts';
import { sessionSchema } from './session.ts';
import { spaSchema } from './spa.ts';
import { originUrl } from '../values/url.ts';

const expectedWorkers = 'expected a whole number, at least 1, or auto';

/** Every key of the configuration: its default, its own checks, its description. Rules between keys are in `rules.ts`. */
export const sections = section({
  baseUrl: originUrl(
    'expected an http(s) origin, such as https://app.example.com, without path or query',
  ).describe('The origin the browser uses. http only for loopback hosts, unless allowInsecureHttp is true.'),
  listen: listenAddress().prefault('0.0.0.0:3000').describe('The address of the public listener: host:port.'),
  admin: section({
    listen: listenAddress()
      .prefault('127.0.0.1:9464')
      .describe(
        'The address of the admin listener, for health and metrics: host:port, never the public listener.',
      ),
    token: shaped(/^[A-Za-z0-9._~+/-]+=*$/, 'expected a bearer token (RFC 6750 section 2.1)')
      .exactOptional()
      .describe('The bearer token for session administration, which is off without one. A secret.'),
  })
    .prefault({})
    .describe('The admin listener.'),
  workers: z
    .union([integer({ min: 1, expected: expectedWorkers }), z.literal('auto')], expectedWorkers)
    .prefault(1)
    .describe('The number of worker processes; auto means one for each core.'),
  allowedHosts: z
    .array(hostName(), 'expected a list of hosts')
    .prefault([])
    .describe('Host values accepted besides that of baseUrl; any other gets 421.'),
  trustProxy: z
    .array(addressRange(), 'expected a list of IP addresses and CIDR ranges')
    .prefault([])
    .describe('Addresses and CIDR ranges of proxies whose X-Forwarded-For is trusted; none by default.'),
  shutdownTimeout: duration()
    .prefault('25s')
    .describe('How long requests and refreshes in flight have to finish after SIGTERM or SIGINT.'),
  allowInsecureHttp: flag()
    .prefault(false)
    .describe('Allows plain http to a provider, an upstream or a baseUrl that is not on this machine.'),
  provider: providerSchema,
  session: sessionSchema,
  login: section({
    prefix: pathPrefixBelowRoot()
      .prefault('/auth')
      .describe("The path prefix of the gateway's own endpoints."),
    defaultReturnTo: localPath()
      .prefault('/')
      .describe('The path to return to after login when no returnTo is given.'),
    postLogoutReturnTo: localPath().prefault('/').describe('The path to return to after logout.'),
  })
    .prefault({})
    .describe('Login and logout.'),
  csrf: section({
    mode: oneOf(['fetch-metadata', 'header'])
      .prefault('fetch-metadata')
      .describe(
        'How requests from other sites are detected; header also requires X-CSRF: 1 on every API request.',
      ),
  })
    .prefault({})
    .describe('Protection against cross-site request forgery.'),
  refresh: refreshSchema.prefault({}),
  rateLimit: rateLimitSchema.prefault({}),
  routes: z
    .array(routeSchema, 'expected a list of routes')
    .prefault([])
    .describe('The APIs. The most specific path wins; prefixes match at segment boundaries only.'),
  spa: spaSchema.exactOptional(),
  log: section({
    level: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal'])
      .prefault('info')
      .describe('The lowest level that is logged.'),
    format: oneOf(['json', 'pretty']).prefault('json').describe('json for machines, pretty for a terminal.'),
  })
    .prefault({})
    .describe('The log, written to standard output.'),
});
