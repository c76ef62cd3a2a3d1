import { z } from 'zod';
import { duration } from '../values/duration.ts';
import { integer, oneOf, shaped, text } from '../values/scalar.ts';
import { section } from './section.ts';
import { storeAddress } from '../values/store-address.ts';

const aYearMs = 365 * 86_400_000;
const sessionDuration = () => duration({ min: 1000, max: aYearMs });

/** How sessions are stored, sealed, bounded and shown. */
export const sessionSchema = section({
  store: storeAddress
    .prefault('memory:')
    .describe(
      'Where sessions are stored: memory: (they are lost when the process exits), a redis: or rediss: URL, redis+sentinel: or redis+cluster:.',
    ),
  keyPrefix: shaped(/^[!-z|~]{1,64}$/, 'expected 1 to 64 printable characters without spaces or braces')
    .prefault('coatcheck:')
    .describe('The prefix of every key in Redis; gateways that share a database need different prefixes.'),
  secrets: z
    .array(
      z
        .string('expected a secret of at least 32 characters')
        .min(32, 'expected a secret of at least 32 characters'),
      'expected a list of secrets of at least 32 characters each',
    )
    .min(1, 'expected at least one secret')
    .describe(
      'Secrets that encrypt cookies and sessions, at least 32 characters each: the first encrypts, all of them decrypt. Reloaded on SIGHUP.',
    ),
  idleTimeout: sessionDuration()
    .prefault('30m')
    .describe('A session ends after this long without a request.'),
  absoluteTimeout: sessionDuration()
    .prefault('12h')
    .describe('A session ends this long after login, even when it is in use.'),
  maxPerUser: integer({ min: 0 })
    .prefault(0)
    .describe('The most sessions one person may have; one more ends the oldest. 0 means no limit.'),
  cookie: section({
    sameSite: oneOf(['strict', 'lax'])
      .prefault('strict')
      .describe('The SameSite attribute of the session cookie.'),
  })
    .prefault({})
    .describe('The session cookie: __Host-Http-coatcheck on https, coatcheck on loopback http.'),
  cache: section({
    maxAge: duration()
      .prefault('5s')
      .describe('How long a session may be served from the cache; 0s turns it off.'),
    maxEntries: integer({ min: 1 }).prefault(50_000).describe('The most sessions the cache holds.'),
  })
    .prefault({})
    .describe('The read cache of sessions in each process.'),
  claims: z
    .array(text('expected the name of a claim'), 'expected a list of claim names')
    .prefault(['sub', 'name', 'email', 'picture'])
    .describe('The ID token claims that GET /auth/session returns to the page.'),
}).describe('Sessions: where they are stored, how they are encrypted and when they end.');
