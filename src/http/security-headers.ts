import helmet from 'helmet';
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Sets the security headers of an answer that the gateway itself gives. */
export type SecurityHeaders = (request: IncomingMessage, response: ServerResponse) => void;

const common = {
  frameguard: { action: 'deny' },
  referrerPolicy: { policy: 'no-referrer' },
} as const;

/** HSTS for two years on https; on http the header has no meaning (RFC 6797, section 7.2). */
function transport(secure: boolean) {
  return secure ? { maxAge: 63_072_000, includeSubDomains: false } : false;
}

/** For answers of the gateway's own endpoints and its errors: documents that may load, run and frame nothing. */
export function createInertHeaders(secure: boolean): SecurityHeaders {
  const set = helmet({
    ...common,
    strictTransportSecurity: transport(secure),
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
  });
  return (request, response) => {
    set(request, response, () => undefined);
    response.setHeader('Cache-Control', 'no-store');
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
  return (request, response) => set(request, response, () => undefined);
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
  return (request, response) => set(request, response, () => undefined);
}
