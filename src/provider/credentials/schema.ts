import { z } from 'zod';
import { commonProviderKeys } from '../../config/schema/provider-section.ts';
import { section } from '../../config/schema/declaration/section.ts';
import { bodyTemplate } from '../../config/values/body-template.ts';
import { jsonPointer } from '../../config/values/json-pointer.ts';
import { integer, oneOf } from '../../config/values/scalar.ts';
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
        'JSON Pointer to the user who signed in, a text or a whole number. Without it, the subject follows from the user name by `provider.usernameSubject`.',
      example: '/user/id',
    }),
  }).meta({
    description: 'Where the responses of both endpoints have each value.',
  }),
  usernameSubject: oneOf(['folded', 'exact']).prefault('folded').meta({
    description:
      'The subject where `provider.response.subject` is not set: `folded`, the user name in lower case and without surrounding blanks; or `exact`, for a vendor where `alice` and `Alice` are two users.',
  }),
  logout: jsonCall(['refreshToken'], {
    section: 'The call that ends the tokens of a session, at sign-out and whenever a session ends.',
    url: 'The logout or revocation endpoint. Without `provider.logout`, refresh tokens stay valid at the vendor until they expire.',
    exampleUrl: 'https://api.example.com/auth/logout',
  }).exactOptional(),
  rejectionStatuses: z
    .array(integer({ min: 400, max: 499 }), 'expected a list of HTTP statuses from 400 to 499')
    .prefault([400, 401, 410, 422])
    .meta({
      description:
        'The statuses of `provider.refresh` that mean that the refresh token is no longer valid, which ends the session. Any other failure keeps it: a firewall sends 403 too.',
    }),
  ...commonProviderKeys,
}).meta({ description: "A vendor's API with login and refresh endpoints of its own, in JSON." });

export type CredentialsProviderConfig = z.output<typeof credentialsSchema>;
