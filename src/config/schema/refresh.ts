import { duration, parseDuration } from '../values/duration.ts';
import type { Milliseconds } from '../values/duration.ts';
import { integer, shaped } from '../values/scalar.ts';
import { section } from './section.ts';

/** How long before its end a token is renewed: a share of its life (0.2 is a fifth), or a fixed span. */
export type RefreshAhead = { kind: 'share'; share: number } | { kind: 'duration'; ms: Milliseconds };

const ahead = shaped(
  /^(?:\d{1,2}%|\d{1,9}(?:ms|s|m|h|d))$/,
  'expected a share of the life of the token, such as 20%, or a duration, such as 30s',
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
      'How long before its end a token is renewed behind the request: a share of its life, or a duration.',
    ),
  timeout: duration({ min: 1 })
    .prefault('10s')
    .describe('How long one refresh may take. Other calls to the provider have `provider.timeout`.'),
  retries: integer({ min: 0, max: 10 })
    .prefault(2)
    .describe('How often a call that failed for a passing reason is tried again.'),
  lockTtl: duration({ min: 1 })
    .prefault('30s')
    .describe('How long the lock on one session lasts unless it is renewed; longer than timeout.'),
  maxPerMinute: integer({ min: 1 })
    .prefault(30)
    .describe('How many refreshes one session may cause in a minute.'),
  maxConcurrent: integer({ min: 1 })
    .prefault(32)
    .describe('How many calls of the token endpoint for refreshes one process may have under way at once.'),
}).describe('Renewal of access tokens.');
