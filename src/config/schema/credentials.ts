import { z } from 'zod';
import { bodyTemplate } from '../values/body-template.ts';
import { jsonPointer } from '../values/json-pointer.ts';
import { oneOf } from '../values/scalar.ts';
import { section } from './section.ts';
import { endpointUrl } from '../values/url.ts';

/** An endpoint of the vendor that takes a JSON body with these placeholders, and answers in JSON. */
const jsonCall = (placeholders: readonly [string, ...string[]], meaning: string) =>
  section({
    url: endpointUrl().describe('The http(s) URL of this endpoint.'),
    // SECURITY: only methods with a body: what is shown to the vendor is in no URL.
    method: oneOf(['POST', 'PUT', 'PATCH']).prefault('POST').describe('The HTTP method.'),
    body: bodyTemplate(placeholders).describe(
      `The JSON body: a mapping, or a JSON object as text. ${placeholders.map((name) => `{${name}}`).join(' and ')} in its strings are replaced.`,
    ),
  }).describe(meaning);

/** A vendor's API with login and refresh endpoints of its own, in JSON. */
export const credentialsProviderSchema = section({
  type: z.literal('credentials', 'expected credentials').describe('The provider type: credentials.'),
  login: jsonCall(
    ['username', 'password'],
    'The endpoint that returns tokens for a user name and password. Not for the OAuth 2.0 password grant.',
  ),
  refresh: jsonCall(['refreshToken'], 'The endpoint that returns new tokens for a refresh token.'),
  response: section({
    accessToken: jsonPointer().describe('JSON Pointer to the access token.'),
    refreshToken: jsonPointer().describe('JSON Pointer to the refresh token.'),
    expiresIn: jsonPointer()
      .exactOptional()
      .describe('JSON Pointer to the access token lifetime in seconds. Takes precedence over expiresAt.'),
    expiresAt: jsonPointer()
      .exactOptional()
      .describe('JSON Pointer to the access token expiry: a date and time, or a Unix time.'),
    refreshExpiresIn: jsonPointer()
      .exactOptional()
      .describe(
        'JSON Pointer to the refresh token lifetime in seconds. Takes precedence over refreshExpiresAt.',
      ),
    refreshExpiresAt: jsonPointer()
      .exactOptional()
      .describe(
        'JSON Pointer to the refresh token expiry: a date and time, or a Unix time. The session ends then.',
      ),
    subject: jsonPointer()
      .exactOptional()
      .describe('JSON Pointer to the subject, a string or a number. Default: the user name.'),
  }).describe('JSON Pointers (RFC 6901) into the login and refresh responses.'),
}).describe('A vendor API with its own login and refresh endpoints.');
