import type { IncomingMessage } from 'node:http';
import type { Target } from '../../http/inbound/target.ts';

/** Marks a sign-in that continues from a page of the gateway's own. */
const PARAMETER = 'continued';

/** The address of a sign-in that a page of the gateway's own continues. */
export function continuedUrl({ path, query }: Target): string {
  const parameters = new URLSearchParams(query);
  parameters.set(PARAMETER, '1');
  return `${path}?${parameters}`;
}

/** Whether a page of the gateway's own may have continued this sign-in. */
export function isContinued(query: URLSearchParams): boolean {
  return query.has(PARAMETER);
}

/** SECURITY: a link of another site may have the parameter, too, and means nothing by it. */
export function isContinuedHere(
  { headers }: Pick<IncomingMessage, 'headers'>,
  query: URLSearchParams,
): boolean {
  return isContinued(query) && headers['sec-fetch-site'] === 'same-origin';
}
