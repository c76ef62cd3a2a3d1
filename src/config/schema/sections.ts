import { z } from 'zod';
import { hostName, listenAddress, proxyAddress } from '../values/address.ts';
import { duration } from '../values/duration.ts';
import { flag, integer, oneOf, shaped } from '../values/scalar.ts';
import { originUrl } from '../values/url.ts';
import { auditSchema } from './observability/audit.ts';
import { telemetrySchema } from './observability/telemetry.ts';
import { keysSchema } from './keys.ts';
import { loginSchema } from './login.ts';
import { providerSection, type ProviderSectionKinds } from './provider-section.ts';
import { rateLimitSchema } from './rate-limit.ts';
import { refreshSchema } from './refresh.ts';
import { routeSchema } from './route.ts';
import { section } from './declaration/section.ts';
import { sessionSchema } from './session.ts';
import { spaSchema } from './spa.ts';
import { listenerTls } from './tls.ts';

const expectedWorkers = 'expected a whole number, at least 1, or auto';

/** The configuration as the gateway uses it: complete, checked, durations in milliseconds, sizes in bytes. */
export type Config = z.output<ReturnType<typeof configSections>>;

/**
 * Declares every key of the configuration: type, default, check, and the metadata of `key-metadata.ts`. Rules between keys
 * are in `rules.ts`. After a change, `npm run generate` writes the files that are derived from it.
 */
export const configSections = (providerKinds: ProviderSectionKinds) =>
  section({
    baseUrl: originUrl(
      'expected an http(s) origin, such as https://app.example.com, without path or query',
    ).meta({
      description:
        'The origin that the browser uses: `https`, or `http` on a loopback host (other `http` needs `allowInsecureHttp`).',
      details:
        'Redirect URIs, the name of the cookie and the check of `Origin` follow from it, never from the `Host` of a request. Loopback hosts are `localhost`, 127.0.0.0/8 and `::1`.',
      example: 'https://app.example.com',
    }),
    listen: listenAddress().prefault('0.0.0.0:3000').meta({
      description:
        'Where the public listener binds: `host:port`, an IPv6 host as `[::]:3000`, or a Unix socket as `unix:/run/coatcheck/coatcheck.sock`.',
      details:
        'The file of a Unix socket has the mode 0660, so that its owner and group may connect, or that of `unix:/path?mode=0600`.',
      see: '[A Unix socket](operations.md#listen-on-a-unix-socket)',
      needsRestart: true,
    }),
    tls: listenerTls().prefault({}).meta({
      description: 'TLS of the public listener. Without a certificate, it speaks plain HTTP.',
      see: '[TLS](operations.md#serve-tls-without-a-proxy)',
    }),
    admin: section({
      listen: listenAddress().prefault('127.0.0.1:9464').meta({
        description:
          'The address of the admin listener, which serves health, metrics and session administration: `host:port` or a Unix socket, different from `listen`. Keep it private.',
        needsRestart: true,
      }),
      token: shaped(
        /^(?=.{32})[A-Za-z0-9._~+/-]+=*$/,
        'expected a bearer token (RFC 6750 section 2.1) of at least 32 characters',
      )
        .exactOptional()
        .meta({
          description:
            'The bearer token for session administration, at least 32 characters. Without one, those endpoints respond with 404.',
          see: '[Session administration](endpoints.md#session-administration)',
          example: '${ADMIN_TOKEN:-}',
          setInReference: true,
          secret: true,
        }),
      allowedHosts: z.array(hostName(), 'expected a list of hosts').prefault([]).meta({
        description:
          '`Host` values that the admin listener serves besides `localhost`, IP addresses and the host of `admin.listen`, as `host` or `host:port`; any other gets 421.',
      }),
    })
      .prefault({})
      .meta({ description: 'The admin listener.' }),
    workers: z
      .union([integer({ min: 1, expected: expectedWorkers }), z.literal('auto')], expectedWorkers)
      .prefault(1)
      .meta({
        description:
          'How many processes serve requests: a number, or `auto` for one per core. More than 1 needs a `session.store` in Redis.',
        see: '[Several processes](operations.md#use-every-core)',
        needsRestart: true,
      }),
    allowedHosts: z.array(hostName(), 'expected a list of hosts').prefault([]).meta({
      description:
        '`Host` values served besides that of `baseUrl`, as `host` or `host:port`; any other gets 421.',
    }),
    trustProxy: z
      .array(proxyAddress(), 'expected a list of IP addresses, CIDR ranges and unix')
      .prefault([])
      .meta({
        description:
          'Addresses and CIDR ranges of proxies whose `X-Forwarded-For` is trusted, and `unix` for every client of a Unix socket. By default no proxy is trusted. The gateway reads no other forwarding header.',
      }),
    shutdownTimeout: duration().prefault('25s').meta({
      description: 'How long requests and refreshes in progress may take to finish after SIGTERM or SIGINT.',
    }),
    shutdownDelay: duration().prefault('0s').meta({
      description:
        'How long the gateway still accepts connections after SIGTERM or SIGINT, while `/readyz` is 503, so that a load balancer stops sending requests first. Part of `shutdownTimeout`.',
      see: '[Stopping](operations.md#stop-a-replica)',
    }),
    allowInsecureHttp: flag().prefault(false).meta({
      description:
        'Allows plain http to a provider, an upstream, a `spa.devServer` or a `baseUrl` on another machine. Anybody on the network path can then read and change tokens.',
      details: 'To loopback hosts, plain http is always allowed, except with `provider.profile: fapi2`.',
    }),
    provider: providerSection(providerKinds),
    session: sessionSchema,
    login: loginSchema.prefault({}),
    csrf: section({
      mode: oneOf(['fetch-metadata', 'header']).prefault('fetch-metadata').meta({
        description:
          'How an API request proves that it comes from the page: `fetch-metadata`, or `header`, which also requires `X-CSRF: 1` on every API request, GET included.',
        see: '[Which requests are accepted](endpoints.md#which-requests-are-accepted)',
      }),
    })
      .prefault({})
      .meta({ description: 'Protection against cross-site request forgery.' }),
    refresh: refreshSchema.prefault({}),
    rateLimit: rateLimitSchema.prefault({}),
    routes: z.array(routeSchema, 'expected a list of routes').prefault([]).meta({
      description:
        'The APIs. The most specific path wins; prefixes match at segment boundaries only. Without routes there is no API.',
      setInReference: true,
    }),
    spa: spaSchema.exactOptional(),
    log: section({
      level: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal']).prefault('info').meta({
        description:
          'The least severe level that is written: `trace`, `debug`, `info`, `warn`, `error` or `fatal`.',
      }),
      format: oneOf(['json', 'pretty']).prefault('json').meta({
        description: '`json` for machines, `pretty` for a terminal.',
      }),
    })
      .prefault({})
      .meta({ description: 'The log, written to standard output.' }),
    audit: auditSchema.prefault({}).meta({
      description: 'A record of sign-ins, the ends of sessions and admin calls.',
      see: '[Audit](audit.md)',
    }),
    telemetry: telemetrySchema.prefault({}).meta({
      description: 'Traces by OpenTelemetry.',
      see: '[Traces](telemetry.md)',
    }),
    keys: keysSchema,
  });
