import type { IncomingMessage } from 'node:http';

type Headers = Pick<IncomingMessage, 'headers'>;

/**
 * Whether a user waits for the response in the address bar, by fetch metadata or, without it, by `Accept`. In Firefox, a
 * navigation that the app's service worker repeats has the mode `same-origin` and any destination.
 */
export function isNavigation({ headers }: Headers): boolean {
  const acceptsHtml = headers.accept?.includes('text/html') === true;
  const mode = headers['sec-fetch-mode'];
  if (mode === undefined) return acceptsHtml;
  if (mode === 'navigate') return true;
  return !otherModes.has(mode) && acceptsHtml;
}

/** The modes that are known to be no navigation (Fetch, section 2.2.5). */
const otherModes: ReadonlySet<unknown> = new Set(['cors', 'no-cors', 'websocket', 'webtransport']);

const framing: ReadonlySet<unknown> = new Set(['iframe', 'frame', 'fencedframe', 'embed', 'object']);

/** Whether the response would be shown in a frame of some page. */
export function isFramed({ headers }: Headers): boolean {
  return framing.has(headers['sec-fetch-dest']);
}

/** Whether the browser only prepares for a navigation that may never happen. */
export function isPrefetch({ headers }: Headers): boolean {
  const purposes = ['sec-purpose', 'purpose', 'x-moz'].map((name) => String(headers[name] ?? ''));
  return /\bpre(?:fetch|render)\b/i.test(purposes.join(' '));
}
