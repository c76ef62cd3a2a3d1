import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../../errors.ts';

/** What the policy looks at. */
export type ForwardedRequest = Pick<IncomingMessage, 'method' | 'headers'>;

/** Rejects requests that do not come from a page of the gateway's own origin. */
export type OriginPolicy = {
  /** For API requests; throws `origin_rejected` or `csrf_rejected`. */
  checkRequest(request: ForwardedRequest): void;
  /**
   * For the sign-out form: as `checkRequest`, but never requires `X-CSRF`, because a form cannot send a custom header. Where
   * the form of another site looks the same, `Referer` must name a page of `baseUrl`.
   */
  checkForm(request: IncomingMessage): void;
  /**
   * For requests that a proxy in front passes on itself (forward auth): as `checkRequest`, but a safe request is also
   * accepted as a navigation of the whole page, or from a client without fetch metadata: its response is not the gateway's.
   */
  checkForwarded(request: ForwardedRequest): void;
  /** For WebSocket upgrades, to which a page cannot add headers; throws `origin_rejected`. */
  checkUpgrade(request: ForwardedRequest): void;
};

/**
 * Protects against cross-site request forgery by two checks. The first is fetch metadata (`Sec-Fetch-Site`), which pages
 * cannot forge; a browser without it must send a static header, which only a page of the same origin can add. The second
 * is `Origin`: if the request has one, it must match `baseUrl`.
 */
export function createOriginPolicy(baseUrl: string, mode: 'fetch-metadata' | 'header'): OriginPolicy {
  const checkOrigin = ({ headers }: ForwardedRequest) => {
    if (headers.origin !== undefined && headers.origin !== baseUrl) throw rejectOrigin();
  };
  const checkSite = (request: ForwardedRequest) => {
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

  const checkRequest = (request: ForwardedRequest) => {
    checkSite(request);
    if (mayBeForeignForm(request) && !hasStaticHeader(request)) {
      throw rejectRequest('Send the header "X-CSRF: 1": this request could be the form of another site.');
    }
    if (mode === 'header' && !hasStaticHeader(request)) {
      throw rejectRequest('Send the header "X-CSRF: 1" with every request.');
    }
  };

  return {
    checkForm(request) {
      checkSite(request);
      if (mayBeForeignForm(request) && !hasStaticHeader(request) && !hasOwnReferrer(request, baseUrl)) {
        throw rejectRequest(
          'Send the header "X-CSRF: 1" or a Referer: this could be the form of another site.',
        );
      }
    },
    checkRequest,
    checkForwarded(request) {
      // The method may be unknown here; a browser names the origin of an unsafe request of another one.
      checkOrigin(request);
      if (isSafe(request.method) && isPageLoad(request)) return;
      const isUnmarked = request.headers['sec-fetch-site'] === undefined && mode === 'fetch-metadata';
      if (isSafe(request.method) && isUnmarked) return;
      checkRequest(request);
    },
    checkUpgrade({ headers }) {
      if (headers.origin !== baseUrl) throw rejectOrigin();
    },
  };
}

/** True for a navigation of the whole page, as by a link of another site. */
function isPageLoad({ headers }: ForwardedRequest): boolean {
  return headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
}

/** The media types that an HTML form can send (HTML, section 4.10.21.7), in any case and with any parameters. */
const formType =
  /^[ \t]*(?:application\/x-www-form-urlencoded|multipart\/form-data|text\/plain)[ \t]*(?:;|$)/i;

/**
 * SECURITY: in Firefox, a service worker that forwards navigations (`respondWith(fetch(event.request))`) makes another
 * site's form post look like a same-origin request: `Sec-Fetch-Site: same-origin`, `Sec-Fetch-Mode: same-origin` and the
 * app's own `Origin`. A page's own `fetch` uses mode `cors` unless it sets another mode.
 */
function mayBeForeignForm({ method, headers }: ForwardedRequest): boolean {
  return (
    !isSafe(method) &&
    headers['sec-fetch-mode'] === 'same-origin' &&
    formType.test(headers['content-type'] ?? 'text/plain')
  );
}

/** SECURITY: a page cannot send the address of a page of another origin as its referrer; it can only send none. */
function hasOwnReferrer({ headers }: ForwardedRequest, baseUrl: string): boolean {
  return headers.referer === baseUrl || headers.referer?.startsWith(`${baseUrl}/`) === true;
}

/** The strict comparison also rejects repeated fields: Node joins their values with a comma. */
function hasStaticHeader({ headers }: ForwardedRequest): boolean {
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
