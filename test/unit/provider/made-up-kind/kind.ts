import { z } from 'zod';
import { commonProviderKeys } from '../../../../src/config/schema/provider-section.ts';
import { section } from '../../../../src/config/schema/declaration/section.ts';
import { text } from '../../../../src/config/values/scalar.ts';
import { endpointUrl } from '../../../../src/config/values/url.ts';
import { checkResult } from '../../../../src/provider/check-result.ts';
import { defineProviderKind } from '../../../../src/provider/kind.ts';

const schema = section({
  type: z.literal('guestbook', 'expected guestbook').meta({ description: 'The kind of provider.' }),
  book: endpointUrl().meta({ description: 'Where the guest book is.' }),
  password: text('expected the password of the book').meta({ description: 'Opens the book.', secret: true }),
  guests: z
    .array(text('expected a name'), 'expected a list of names')
    .meta({ description: 'Who may sign in.' }),
  ...commonProviderKeys,
}).meta({ description: 'A guest book.' });

/** A provider kind that exists only in this folder: it signs in the users in its list of guests. */
export const guestbookKind = defineProviderKind({
  type: 'guestbook',
  schema,
  accessTokens: 'one',
  *rules({ guests }, isValid) {
    if (isValid('guests') && new Set(guests).size < guests.length)
      yield { path: ['guests'], message: 'expected each guest once' };
  },
  nameOf: ({ book }) => new URL(book).hostname,
  create: ({ config, clock }) => ({
    issuer: config.book,
    passwordLogin: {
      signIn: async ({ username }) => ({
        issuer: config.book,
        subject: username,
        claims: { sub: username, isGuest: config.guests.includes(username) },
        tokenResponse: { accessToken: `token-of-${username}` },
        sentAtMs: clock(),
      }),
    },
    refresh: async () => ({ kind: 'rejected', cause: new Error('a guest signs in once') }),
    revoke: async () => ({ kind: 'revoked' }),
    endSessionUrl: () => undefined,
    state: () => 'up',
    notReadyReason: () => undefined,
    diagnose: async () => [checkResult('guests', 'ok', `${config.guests.length} in the book`)],
    start: async () => undefined,
    retire: () => undefined,
    close: () => undefined,
  }),
});
