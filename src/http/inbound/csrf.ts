import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../../errors.ts';

/** Throws unless a request was made by a page of our own origin. */
export type OriginPolicy = {
  /** For API requests; throws `origin_rejected` or `csrf_rejected`. */
  checkRequest(request: IncomingMessage): void;
  /** For the sign-out form, which cannot carry a header of its own and harms nobody; the same otherwise. */
  checkForm(request: IncomingMessage): void;
  /** For WebSocket upgrades, which no browser lets a page add a header to; throws `origin_rejected`. */
  checkUpgrade(request: IncomingMessage): void;
};

/**
 * Protection against cross-site request forgery, in two parts. Fetch metadata (`Sec-Fetch-Site`), which a browser writes
 * and no page can, or for browsers without it a static header, which only a page of this origin can add. And `Origin`:
 * where there is one, it must be ours.
 */
export function createOriginPolicy(baseUrl: string, mode: 'fetch-metadata' | 'header'): OriginPolicy {
  const checkOrigin = ({ headers }: IncomingMessage) => {
    if (headers.origin !== undefined && headers.origin !== baseUrl) throw rejectOrigin();
  };
  const checkForm = (request: IncomingMessage) => {
    checkOrigin(request);
    const site = request.headers['sec-fetch-site'];
    if (site === 'same-origin') return;
    if (site === 'none' && isSafe(request.method)) return;
    if (site === undefined && hasStaticHeader(request)) return;
    throw rejectRequest(
      site === undefined
        ? 'Send the header "X-CSRF: 1" with requests from clients that send no fetch metadata.'
        : 'Only pages of this origin may send this request.',
    );
  };

  return {
    checkForm,
    checkRequest(request) {
      checkForm(request);
      if (mayBeForeignForm(request) && !hasStaticHeader(request)) {
        throw rejectRequest('Send the header "X-CSRF: 1": this request could be the form of another site.');
      }
      if (mode === 'header' && !hasStaticHeader(request)) {
        throw rejectRequest('Send the header "X-CSRF: 1" with every request.');
      }
    },
    checkUpgrade({ headers }) {
      if (headers.origin !== baseUrl) throw rejectOrigin();
    },
  };
}

/** The types of a body that a form can send (HTML, section 4.10.21.7), in whatever case and with whatever parameters. */
const formType =
  /^[ \t]*(?:application\/x-www-form-urlencoded|multipart\/form-data|text\/plain)[ \t]*(?:;|$)/i;

/**
 * SECURITY: in Firefox, a service worker of the app that passes navigations on (`respondWith(fetch(event.request))`) makes the
 * form post of another site look like a request of our own page: `Sec-Fetch-Site: same-origin`, `Sec-Fetch-Mode: same-origin`
 * and our own `Origin`. A page's own `fetch` comes in mode `cors` unless it asks for another.
 */
function mayBeForeignForm({ method, headers }: IncomingMessage): boolean {
  return (
    !isSafe(method) &&
    headers['sec-fetch-mode'] === 'same-origin' &&
    formType.test(headers['content-type'] ?? 'text/plain')
  );
}

/** Exactly once and exactly this value: Node joins repeated fields by a comma. */
function hasStaticHeader({ headers }: IncomingMessage): boolean {
  return headers['x-csrf'] === '1';
}

function isSafe(method: string | undefined): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS';
}

function rejectRequest(detail: string): GatewayError {
  return new GatewayError('csrf_rejected', { detail });
}

function rejectOrigin(): GatewayError {
  return new GatewayError('origin_rejected', {
    detail: 'The Origin header does not match this application.',
  });
}
