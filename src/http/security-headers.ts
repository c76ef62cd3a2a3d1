import helmet from 'helmet';
import { createHash } from 'node:crypto';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';

/** Sets the security headers of a gateway-made response. */
export type SecurityHeaders = (response: ServerResponse) => void;

/** Header fields, keyed by lower-case name. */
type Fields = Readonly<Record<string, string>>;

const common = {
  frameguard: { action: 'deny' },
  referrerPolicy: { policy: 'no-referrer' },
} as const;

/** The CSP of a response that is not a document: a browser that renders it anyway loads, runs and frames nothing. */
export const inertPolicy = "default-src 'none'; frame-ancestors 'none'; sandbox";

/** HSTS for two years on https. Browsers ignore the header on http (RFC 6797, section 7.2). */
function transportSecurity(secure: boolean) {
  return secure ? { maxAge: 63_072_000, includeSubDomains: false } : false;
}

/** The header fields of gateway-made responses: its own endpoints, error responses and rejected upgrades. */
export function inertHeaders(secure: boolean): Fields {
  return {
    ...fieldsOf(
      helmet({ ...common, strictTransportSecurity: transportSecurity(secure), contentSecurityPolicy: false }),
    ),
    'content-security-policy': inertPolicy,
    'cache-control': 'no-store',
  };
}

/**
 * Headers of a self-contained gateway document with one inline script and one inline style. The document connects to its
 * own origin only, submits no form and assigns no HTML strings (Trusted Types).
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

/**
 * The CSP of an error page: its own style, or, for an operator's page, the styles, images and fonts of this origin. No script
 * and no form.
 */
export function errorPagePolicy(ownStyle: string | undefined): string {
  const sources =
    ownStyle === undefined
      ? ["style-src 'self' 'unsafe-inline'", "img-src 'self' data:", "font-src 'self' data:"]
      : [`style-src ${sourceOf(ownStyle)}`];
  const rest = ["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"];
  return ["default-src 'none'", ...sources, ...rest].join('; ');
}

/** The CSP hash source of an inline script or style (CSP Level 3, section 2.3.1). */
function sourceOf(content: string): string {
  return `'sha256-${createHash('sha256').update(content).digest('base64')}'`;
}

/**
 * Headers of the app's own files. The CSP forbids plugins, a foreign base URL and framing. It leaves script and style
 * sources open, because the gateway does not know which ones the app uses.
 */
export function createPageHeaders(secure: boolean): SecurityHeaders {
  const set = helmet({
    ...common,
    referrerPolicy: { policy: 'strict-origin-when-cross-origin' },
    strictTransportSecurity: transportSecurity(secure),
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

/** Creates a function that sets the same header fields on every response. */
export function setting(fields: Fields): SecurityHeaders {
  const entries = Object.entries(fields);
  return (response) => {
    for (const [name, value] of entries) response.setHeader(name, value);
  };
}

/** Runs helmet once and returns the fields it sets; they do not depend on the request. */
function fieldsOf(set: ReturnType<typeof helmet>): Fields {
  const request = new IncomingMessage(new Socket());
  const response = new ServerResponse(request);
  set(request, response, () => undefined);
  return Object.fromEntries(
    response.getHeaderNames().map((name) => [name, String(response.getHeader(name))]),
  );
}
