import { z } from 'zod';
import { commonProviderKeys } from '../../config/schema/provider-section.ts';
import { section } from '../../config/schema/section.ts';
import { bodyTemplate } from '../../config/values/body-template.ts';
import { jsonPointer } from '../../config/values/json-pointer.ts';
import { oneOf } from '../../config/values/scalar.ts';
import { endpointUrl } from '../../config/values/url.ts';

/** An endpoint of the vendor that takes a JSON body with these placeholders. */
const jsonCall = (placeholders: readonly [string, ...string[]], meaning: string) =>
  section({
    url: endpointUrl().describe('The http(s) URL of the endpoint.'),
    // SECURITY: only methods with a body, so that no password is in a URL.
    method: oneOf(['POST', 'PUT', 'PATCH']).prefault('POST').describe('The method of the request.'),
    body: bodyTemplate(placeholders).meta({
      description: `The JSON body: a mapping, or a JSON object as text. ${placeholders.map((name) => `{${name}}`).join(' and ')} in its texts are filled in.`,
      secret: true,
    }),
  }).describe(meaning);

/** The `provider` section of a vendor's API. */
export const credentialsSchema = section({
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
  ...commonProviderKeys,
}).describe('A vendor API with its own login and refresh endpoints.');

export type CredentialsProviderConfig = z.output<typeof credentialsSchema>;
