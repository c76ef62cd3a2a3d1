import { z } from 'zod';
import { commonProviderKeys } from '../../config/schema/provider-section.ts';
import { section } from '../../config/schema/section.ts';
import { bodyTemplate } from '../../config/values/body-template.ts';
import { jsonPointer } from '../../config/values/json-pointer.ts';
import { oneOf } from '../../config/values/scalar.ts';
import { endpointUrl } from '../../config/values/url.ts';

/** An endpoint of the vendor that takes a JSON body with these placeholders. */
function jsonCall(placeholders: readonly [string, ...string[]], docs: JsonCallDocs) {
  const names = placeholders.map((name) => `\`{${name}}\``).join(' and ');
  return section({
    url: endpointUrl().meta({ description: docs.url, example: docs.exampleUrl }),
    // SECURITY: only methods with a body, so that no password is in a URL.
    method: oneOf(['POST', 'PUT', 'PATCH']).prefault('POST').meta({
      description: 'The method of the request: `POST`, `PUT` or `PATCH`.',
    }),
    body: bodyTemplate(placeholders).meta({
      description: `The JSON body: a mapping, or a JSON object as text. Its texts must contain ${names}, which the gateway fills in.`,
      example: Object.fromEntries(placeholders.map((name) => [name, `{${name}}`])),
      secret: true,
    }),
  }).meta({ description: docs.section });
}

type JsonCallDocs = { section: string; url: string; exampleUrl: string };

/** The `provider` section of a vendor's API. */
export const credentialsSchema = section({
  type: z.literal('credentials', 'expected credentials').meta({
    description: "`credentials`: a vendor's API with login and refresh endpoints of its own.",
  }),
  login: jsonCall(['username', 'password'], {
    section: 'The call that returns tokens for a user name and a password.',
    url: 'The login endpoint. Not for the password grant of OAuth 2.0, which must not be used (RFC 9700, section 2.4).',
    exampleUrl: 'https://api.example.com/auth/login',
  }),
  refresh: jsonCall(['refreshToken'], {
    section: 'The call that returns new tokens for a refresh token.',
    url: 'The refresh endpoint.',
    exampleUrl: 'https://api.example.com/auth/refresh',
  }),
  response: section({
    accessToken: jsonPointer().meta({
      description: 'JSON Pointer (RFC 6901) to the access token, such as `/data/token`.',
      example: '/token',
    }),
    refreshToken: jsonPointer().meta({
      description: 'JSON Pointer to the refresh token.',
      example: '/refreshToken',
    }),
    expiresIn: jsonPointer().exactOptional().meta({
      description:
        'JSON Pointer to the lifetime of the access token, in seconds from the request. It takes precedence over `expiresAt`.',
      example: '/tokenLifetime',
    }),
    expiresAt: jsonPointer().exactOptional().meta({
      description: 'JSON Pointer to the expiry of the access token: a date and time, or a Unix time.',
      details: "It is compared with the `Date` of the response, which is the vendor's own clock.",
      example: '/tokenExpiration',
    }),
    refreshExpiresIn: jsonPointer().exactOptional().meta({
      description:
        'JSON Pointer to the lifetime of the refresh token, in seconds. It takes precedence over `refreshExpiresAt`.',
      example: '/refreshTokenLifetime',
    }),
    refreshExpiresAt: jsonPointer().exactOptional().meta({
      description:
        'JSON Pointer to the expiry of the refresh token, at which the session ends at the latest.',
      example: '/refreshTokenExpiration',
    }),
    subject: jsonPointer().exactOptional().meta({
      description:
        'JSON Pointer to the person who signed in, a text or a whole number; without it, the user name is used.',
      example: '/user/id',
    }),
  }).meta({
    description: 'Where the responses of both endpoints have each value.',
  }),
  ...commonProviderKeys,
}).meta({ description: "A vendor's API with login and refresh endpoints of its own, in JSON." });

export type CredentialsProviderConfig = z.output<typeof credentialsSchema>;
