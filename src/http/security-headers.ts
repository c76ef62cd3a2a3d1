import helmet from 'helmet';
import { createHash } from 'node:crypto';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';

/** Sets the security headers of a response that the gateway itself makes. */
export type SecurityHeaders = (response: ServerResponse) => void;

/** Header fields by their name in lower case. */
type Fields = Readonly<Record<string, string>>;

const common = {
  frameguard: { action: 'deny' },
  referrerPolicy: { policy: 'no-referrer' },
} as const;

/** The policy of a response that is no document: should a browser show it as one, it loads, runs and frames nothing. */
export const inertPolicy = "default-src 'none'; frame-ancestors 'none'; sandbox";

/** HSTS for two years on https; on http the header has no meaning (RFC 6797, section 7.2). */
function transport(secure: boolean) {
  return secure ? { maxAge: 63_072_000, includeSubDomains: false } : false;
}

/** The header fields of the responses of the gateway's own endpoints and of its errors, over HTTP and on refused upgrades. */
export function inertHeaders(secure: boolean): Fields {
  return {
    ...fieldsOf(
      helmet({ ...common, strictTransportSecurity: transport(secure), contentSecurityPolicy: false }),
    ),
    'content-security-policy': inertPolicy,
    'cache-control': 'no-store',
  };
}

/**
 * For a document of the gateway that holds all it needs, which are one script and one style. It asks its own origin alone,
 * sends no form by itself, and makes no HTML of text.
 */
export function createDocumentHeaders({ script, style }: { script: string; style: string }): SecurityHeaders {
  const set = helmet({
    ...common,
    strictTransportSecurity: false,
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: [sourceOf(script)],
        styleSrc: [sourceOf(style)],
        imgSrc: ['data:'],
        connectSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
        requireTrustedTypesFor: ["'script'"],
        trustedTypes: ["'none'"],
      },
    },
  });
  return setting(fieldsOf(set));
}

/** An inline script or style, as a policy names it (CSP Level 3, section 2.3.1). */
function sourceOf(content: string): string {
  return `'sha256-${createHash('sha256').update(content).digest('base64')}'`;
}

/**
 * For the app's own files. The policy forbids what no app needs (plugins, another base URL, being framed) and leaves the
 * rest to the app, whose sources the gateway cannot know.
 */
export function createPageHeaders(secure: boolean): SecurityHeaders {
  const set = helmet({
    ...common,
    referrerPolicy: { policy: 'strict-origin-when-cross-origin' },
    strictTransportSecurity: transport(secure),
    crossOriginEmbedderPolicy: false,
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: helmet.contentSecurityPolicy.dangerouslyDisableDefaultSrc,
        objectSrc: ["'none'"],
        baseUri: ["'self'"],
        frameAncestors: ["'none'"],
      },
    },
  });
  return setting(fieldsOf(set));
}

/** Sets header fields that are the same for every response. */
export function setting(fields: Fields): SecurityHeaders {
  const entries = Object.entries(fields);
  return (response) => {
    for (const [name, value] of entries) response.setHeader(name, value);
  };
}

/** What helmet sets, which depends on no request: computed once. */
function fieldsOf(set: ReturnType<typeof helmet>): Fields {
  const request = new IncomingMessage(new Socket());
  const response = new ServerResponse(request);
  set(request, response, () => undefined);
  return Object.fromEntries(
    response.getHeaderNames().map((name) => [name, String(response.getHeader(name))]),
  );
}
