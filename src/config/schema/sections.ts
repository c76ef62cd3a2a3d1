import { z } from 'zod';
import { addressRange, hostName, listenAddress } from '../values/address.ts';
import { duration } from '../values/duration.ts';
import { localPath, pathPrefixBelowRoot } from '../values/path.ts';
import { providerSection, type ProviderSectionKinds } from './provider-section.ts';
import { rateLimitSchema } from './rate-limit.ts';
import { refreshSchema } from './refresh.ts';
import { routeSchema } from './route.ts';
import { flag, integer, oneOf, shaped } from '../values/scalar.ts';
import { section } from './section.ts';
import { sessionSchema } from './session.ts';
import { spaSchema } from './spa.ts';
import { originUrl } from '../values/url.ts';

const expectedWorkers = 'expected a whole number, at least 1, or auto';

/** The configuration as the gateway uses it: complete, checked, durations in milliseconds, sizes in bytes. */
export type Config = z.output<ReturnType<typeof configSections>>;

/** Declares every key of the configuration: type, default, check, description. Rules between keys are in `rules.ts`. */
export const configSections = (providerKinds: ProviderSectionKinds) =>
  section({
    baseUrl: originUrl(
      'expected an http(s) origin, such as https://app.example.com, without path or query',
    ).describe(
      'The origin the browser uses. http only for loopback hosts, unless allowInsecureHttp is true.',
    ),
    listen: listenAddress().prefault('0.0.0.0:3000').describe('Where the public listener binds: host:port.'),
    admin: section({
      listen: listenAddress()
        .prefault('127.0.0.1:9464')
        .describe('Where health and metrics are served: host:port, never the public listener.'),
      token: shaped(/^[A-Za-z0-9._~+/-]+=*$/, 'expected a bearer token (RFC 6750 section 2.1)')
        .exactOptional()
        .meta({
          description:
            'The bearer token for session administration, which is not there without one. A secret.',
          secret: true,
        }),
    })
      .prefault({})
      .describe('The admin listener.'),
    workers: z
      .union([integer({ min: 1, expected: expectedWorkers }), z.literal('auto')], expectedWorkers)
      .prefault(1)
      .describe('How many processes serve; auto is one for each core.'),
    allowedHosts: z
      .array(hostName(), 'expected a list of hosts')
      .prefault([])
      .describe("Host values served besides baseUrl's; any other is answered with 421."),
    trustProxy: z
      .array(addressRange(), 'expected a list of IP addresses and CIDR ranges')
      .prefault([])
      .describe('Addresses and CIDR ranges of proxies whose X-Forwarded-For is believed; nobody by default.'),
    shutdownTimeout: duration()
      .prefault('25s')
      .describe('How long requests and refreshes in flight may take to finish after SIGTERM or SIGINT.'),
    allowInsecureHttp: flag()
      .prefault(false)
      .describe('Allows plain http to a provider, an upstream or a baseUrl that is not on this machine.'),
    provider: providerSection(providerKinds),
    session: sessionSchema,
    login: section({
      prefix: pathPrefixBelowRoot().prefault('/auth').describe("Where the gateway's own endpoints are."),
      defaultReturnTo: localPath().prefault('/').describe('Where login leads when no returnTo is given.'),
      postLogoutReturnTo: localPath().prefault('/').describe('Where logout leads.'),
    })
      .prefault({})
      .describe('Login and logout.'),
    csrf: section({
      mode: oneOf(['fetch-metadata', 'header'])
        .prefault('fetch-metadata')
        .describe(
          'What proves that a request comes from the page; header asks for X-CSRF: 1 on every API request besides.',
        ),
    })
      .prefault({})
      .describe('Protection against cross-site request forgery.'),
    refresh: refreshSchema.prefault({}),
    rateLimit: rateLimitSchema.prefault({}),
    routes: z
      .array(routeSchema, 'expected a list of routes')
      .prefault([])
      .describe('The APIs. The most specific path wins; prefixes match on segment borders only.'),
    spa: spaSchema.exactOptional(),
    log: section({
      level: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal'])
        .prefault('info')
        .describe('The least severe level that is written.'),
      format: oneOf(['json', 'pretty'])
        .prefault('json')
        .describe('json for machines, pretty for a terminal.'),
    })
      .prefault({})
      .describe('The log, written to standard output.'),
  });
