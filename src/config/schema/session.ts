import { z } from 'zod';
import { duration } from '../values/duration.ts';
import { flag, integer, oneOf, shaped, text } from '../values/scalar.ts';
import { secretText } from '../values/secrets/secret.ts';
import { storeAddress } from '../values/store-address.ts';
import { redisAccessKeys } from './redis-access.ts';
import { section } from './declaration/section.ts';

const aYearMs = 365 * 86_400_000;
const sessionDuration = () => duration({ min: 1000, max: aYearMs });

/** How sessions are stored, sealed, bounded and shown. */
export const sessionSchema = section({
  store: storeAddress.prefault('memory:').meta({
    description:
      'Where sessions are kept: `memory:`, `redis://[user:password@]host[:port][/database]`, `redis+sentinel://…` or `redis+cluster://…`.',
    see: '[Store addresses](#store-addresses)',
    secret: true,
    secretUrl: true,
    needsRestart: true,
  }),
  ...redisAccessKeys,
  keyPrefix: shaped(/^[!-z|~]{1,64}$/, 'expected 1 to 64 printable characters without spaces or braces')
    .prefault('coatcheck:')
    .meta({
      description: 'The prefix of every key in Redis. Gateways that share a database need different ones.',
      needsRestart: true,
    }),
  secrets: z
    .array(secretText(), 'expected a list of secrets of at least 32 characters each')
    .min(1, 'expected at least one secret')
    .meta({
      description:
        'Secrets that encrypt and authenticate (seal) cookies and sessions, random and at least 32 characters each: the first seals, and every one opens.',
      see: '[Secrets](#secrets)',
      example: ['${SESSION_SECRET}'],
      secret: true,
    }),
  idleTimeout: sessionDuration().prefault('30m').meta({
    description:
      'A session ends after this long without a request. Must not be longer than `session.absoluteTimeout`.',
  }),
  absoluteTimeout: sessionDuration().prefault('12h').meta({
    description: 'A session ends this long after sign-in, used or not; at most `365d`.',
  }),
  maxPerUser: integer({ min: 0 }).prefault(1_000).meta({
    description: 'How many sessions one user may have at once; one more ends the oldest. `0` is no limit.',
  }),
  cookie: section({
    sameSite: oneOf(['strict', 'lax']).prefault('strict').meta({
      description: 'The `SameSite` attribute of the session cookie: `strict` or `lax`.',
    }),
    persistent: flag().prefault(false).meta({
      description:
        'Keeps users signed in when they close the browser: the cookie then lasts until the absolute limit of its session.',
      details: 'The limits of the session stay as they are. Leave it off where users share a computer.',
    }),
  })
    .prefault({})
    .meta({
      description: 'The session cookie: `__Host-Http-coatcheck` on https, `coatcheck` on http.',
    }),
  cache: section({
    maxAge: duration().prefault('5s').meta({
      description:
        'How long a process serves a session from its memory before it reads the store again; `0s` turns the cache off.',
    }),
    maxEntries: integer({ min: 1 }).prefault(50_000).meta({
      description:
        'How many sessions the cache holds at most. It takes at most 4 KiB of memory for each, so with larger tokens it holds fewer.',
    }),
  })
    .prefault({})
    .meta({ description: 'The cache of sessions read from the store, one in each process.' }),
  claims: z
    .array(text('expected the name of a claim'), 'expected a list of claim names')
    .prefault(['sub', 'name', 'email', 'picture'])
    .meta({ description: 'The ID token claims that `GET /auth/session` shows to the page.' }),
}).meta({ description: 'Sessions: where they are kept, how they are sealed and when they end.' });
