import { duration, parseDuration } from '../values/duration.ts';
import type { Milliseconds } from '../values/duration.ts';
import { integer, shaped } from '../values/scalar.ts';
import { section } from './declaration/section.ts';

/** How long before its expiry a token is refreshed: a share of its lifetime (0.2 is 20 %), or a fixed time. */
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

/** When and how access tokens are refreshed. */
export const refreshSchema = section({
  ahead: ahead.prefault('20%').meta({
    description:
      'How long before its expiry an access token is refreshed in the background: a share of its lifetime, or a duration.',
  }),
  timeout: duration({ min: 1 }).prefault('10s').meta({
    description: 'How long one refresh may take. Other calls to the provider have `provider.timeout`.',
  }),
  retries: integer({ min: 0, max: 10 }).prefault(2).meta({
    description: 'How often a refresh that failed for a temporary reason is tried again; at most 10.',
  }),
  lockTtl: duration({ min: 1 }).prefault('30s').meta({
    description:
      'How long the lock of a session lasts if its holder does not renew it. Must be longer than `refresh.timeout`.',
  }),
  maxPerMinute: integer({ min: 1 }).prefault(30).meta({
    description:
      'How many times in a minute, across all replicas, a session may cause a refresh of one token: the token of the sign-in, or that of a route with `scopes` or `resource`. All tokens of a session together may cause ten times as many.',
  }),
  maxConcurrent: integer({ min: 1 }).prefault(32).meta({
    description: 'How many refreshes one process may run at once.',
  }),
}).meta({ description: 'When and how access tokens are refreshed.' });
