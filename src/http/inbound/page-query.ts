import { GatewayError } from '../../errors.ts';
import { readCursor, type Position } from '../../sessions/store/position.ts';
import { onlyValue } from './query.ts';

/** The part of a list that a request asks for. */
export type PageQuery = { readonly limit: number; readonly after: Position | undefined };

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 200;

/** Reads `limit` and `next` of a query. A limit above the maximum means the maximum. Throws `bad_request`. */
export function readPageQuery(query: URLSearchParams): PageQuery {
  const limitText = query.has('limit') ? (onlyValue(query, 'limit') ?? '') : String(DEFAULT_LIMIT);
  if (!/^0*[1-9]\d{0,9}$/.test(limitText))
    throw new GatewayError('bad_request', { detail: '"limit" must be a positive whole number.' });
  const limit = Math.min(MAX_LIMIT, Number(limitText));
  if (!query.has('next')) return { limit, after: undefined };
  const after = readCursor(onlyValue(query, 'next') ?? '');
  if (after === undefined)
    throw new GatewayError('bad_request', {
      detail: '"next" must be the "next" of an earlier response, unchanged.',
    });
  return { limit, after };
}
