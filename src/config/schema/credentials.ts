import { z } from 'zod';
import { bodyTemplate } from '../values/body-template.ts';
import { jsonPointer } from '../values/json-pointer.ts';
import { oneOf } from '../values/scalar.ts';
import { section } from './section.ts';
import { endpointUrl } from '../values/url.ts';

/** An endpoint of the vendor that takes a JSON body with these placeholders, and answers in JSON. */
const jsonCall = (placeholders: readonly [string, ...string[]], meaning: string) =>
  section({
    url: endpointUrl().describe('The http(s) URL of the endpoint.'),
    // SECURITY: only methods with a body: what is shown to the vendor is in no URL.
    method: oneOf(['POST', 'PUT', 'PATCH']).prefault('POST').describe('The method of the request.'),
    body: bodyTemplate(placeholders).describe(
      `The JSON body: a mapping, or a JSON object as text. ${placeholders.map((name) => `{${name}}`).join(' and ')} in its texts are filled in.`,
    ),
  }).describe(meaning);

/** A vendor's API with login and refresh endpoints of its own, in JSON. */
export const credentialsProviderSchema = section({
  type: z.literal('credentials', 'expected credentials').describe('The kind of provider: credentials.'),
  login: jsonCall(
    ['username', 'password'],
    'The endpoint that gives tokens for a user name and a password. Not for the password grant of OAuth 2.0.',
  ),
  refresh: jsonCall(['refreshToken'], 'The endpoint that gives new tokens for a refresh token.'),
  response: section({
    accessToken: jsonPointer().describe('Where the access token is.'),
    refreshToken: jsonPointer().describe('Where the refresh token is.'),
    expiresIn: jsonPointer()
      .exactOptional()
      .describe('Where the life of the access token is, in seconds. It counts, whatever expiresAt says.'),
    expiresAt: jsonPointer()
      .exactOptional()
      .describe('Where the end of the access token is: a date and time, or a Unix time.'),
    refreshExpiresIn: jsonPointer()
      .exactOptional()
      .describe(
        'Where the life of the refresh token is, in seconds. It counts, whatever refreshExpiresAt says.',
      ),
    refreshExpiresAt: jsonPointer()
      .exactOptional()
      .describe(
        'Where the end of the refresh token is: a date and time, or a Unix time. It ends the session.',
      ),
    subject: jsonPointer()
      .exactOptional()
      .describe('Where it says who signed in: a text or a number. Without it, that is the user name.'),
  }).describe('Where in the answers what is: JSON Pointers (RFC 6901).'),
}).describe('A vendor API with its own login and refresh endpoints.');
