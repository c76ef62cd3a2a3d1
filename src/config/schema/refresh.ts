import { duration, parseDuration } from '../values/duration.ts';
import type { Milliseconds } from '../values/duration.ts';
import { integer, shaped } from '../values/scalar.ts';
import { section } from './section.ts';

/** How long before its end a token is renewed: a share of its life (0.2 is a fifth), or a fixed span. */
export type RefreshAhead = { kind: 'share'; share: number } | { kind: 'duration'; ms: Milliseconds };

const ahead = shaped(
  /^(?:\d{1,2}%|\d{1,9}(?:ms|s|m|h|d))$/,
  'expected a share of the token lifetime, such as 20%, or a duration, such as 30s',
).transform((text): RefreshAhead => {
  const ms = parseDuration(text);
  return ms === undefined
    ? { kind: 'share', share: Number(text.slice(0, -1)) / 100 }
    : { kind: 'duration', ms };
});

/** When and how access tokens are renewed. */
export const refreshSchema = section({
  ahead: ahead
    .prefault('20%')
    .describe(
      'How long before its expiry a token is refreshed in the background: a share of its lifetime, or a duration.',
    ),
  timeout: duration({ min: 1 }).prefault('10s').describe('The timeout of one token endpoint call.'),
  retries: integer({ min: 0, max: 10 })
    .prefault(2)
    .describe('How often a call is retried after a transient failure.'),
  lockTtl: duration({ min: 1 })
    .prefault('30s')
    .describe('The lifetime of the lock on one session unless it is extended; must be longer than timeout.'),
  maxPerMinute: integer({ min: 1 }).prefault(30).describe('Refreshes that one session may cause per minute.'),
  maxConcurrent: integer({ min: 1 })
    .prefault(32)
    .describe('Concurrent refresh calls to the token endpoint in one process.'),
}).describe('Access token refresh.');
