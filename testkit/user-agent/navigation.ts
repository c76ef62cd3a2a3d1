import type { CookieContext } from './cookie-jar.ts';
import { type AgentResponse, type OpenResponse, type Sent, type SentHeaders, complete } from './transport.ts';

/** The final URL of a navigation, and every response including the last one. */
export type Navigation = { response: AgentResponse; chain: AgentResponse[] };

/** The options of a navigation. */
export type NavigationInit = {
  /** `address-bar` (the default), or `page`: a link or form on a page of the gateway's origin. */
  from?: 'address-bar' | 'page';
  /** Posts this form. */
  form?: Record<string, string>;
  headers?: SentHeaders;
};

const MAX_REDIRECTS = 10;

/** Creates a function that navigates to a page of `base` and follows redirects, with the metadata of a browser. */
export function createNavigation(
  base: URL,
  send: (url: URL, sent: Sent, context: CookieContext) => Promise<OpenResponse>,
) {
  return async (path: string, init: NavigationInit = {}): Promise<Navigation> => {
    const chain: AgentResponse[] = [];
    let url = new URL(path, base);
    let method = init.form ? 'POST' : 'GET';
    let initiator = init.from === 'page' ? base.origin : undefined;
    for (;;) {
      const isForm = method === 'POST' && init.form !== undefined;
      const site = initiator === undefined ? 'none' : initiator === url.origin ? 'same-origin' : 'cross-site';
      const headers = {
        ...headersFor(site),
        ...(isForm && formHeaders(initiator ?? url.origin)),
        ...init.headers,
      };
      const body = isForm ? new URLSearchParams(init.form).toString() : undefined;
      const context = { crossSite: site === 'cross-site', topLevelGet: method === 'GET' };
      const response = await complete(await send(url, { method, headers, body }, context));
      chain.push(response);

      const location = locationOf(response);
      if (location === undefined) return { response, chain };
      if (chain.length > MAX_REDIRECTS) throw new Error(`too many redirects: ${describeChain(chain)}`);
      // Another origin counts as a page that the user saw, as a provider's: later requests start there.
      if (url.origin !== base.origin) initiator = url.origin;
      url = new URL(location, url);
      if (response.status === 303 || (response.status < 303 && method === 'POST')) method = 'GET';
    }
  };
}

function headersFor(site: string): SentHeaders {
  return {
    accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
    'sec-fetch-site': site,
    'sec-fetch-mode': 'navigate',
    'sec-fetch-dest': 'document',
    'sec-fetch-user': '?1',
    'upgrade-insecure-requests': '1',
  };
}

function formHeaders(origin: string): SentHeaders {
  return { 'content-type': 'application/x-www-form-urlencoded', origin };
}

function locationOf(response: AgentResponse): string | undefined {
  return response.status >= 300 && response.status < 400 ? response.header('location') : undefined;
}

/** The responses of a navigation, for an error message. */
export function describeChain(chain: readonly AgentResponse[]): string {
  return chain
    .map(
      (response) => `${response.status} ${response.url}\n  ${response.header('location') ?? response.text()}`,
    )
    .join('\n');
}
