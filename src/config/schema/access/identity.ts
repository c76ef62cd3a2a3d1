import { z } from 'zod';
import { duration } from '../../values/duration.ts';
import { jsonPointer } from '../../values/json-pointer.ts';
import { text } from '../../values/scalar.ts';
import { section } from '../declaration/section.ts';
import { identityHeaderName } from '../headers.ts';

/** Claims that the gateway itself writes into identity JWTs (RFC 7519, section 4.1). */
const ownClaims = ['iss', 'aud', 'exp', 'nbf', 'iat', 'jti'];

const claimName = () =>
  text('expected the name of a claim').refine(
    (name) => !ownClaims.includes(name),
    'the gateway sets this claim itself; it cannot come from the session',
  );

/** How a route tells its upstream who calls. */
export const identitySchema = section({
  headers: z
    .record(identityHeaderName(), jsonPointer(), 'expected a mapping of header names to JSON Pointers')
    .prefault({})
    .meta({
      description:
        "Header fields with claims of the session: each name with a JSON Pointer (RFC 6901). A client's own fields of these names pass on no route.",
      details:
        'Values are percent-encoded UTF-8; lists are joined by commas. A claim that is missing, or is not a text, a number, a boolean or a list of those, sends no field.',
      see: '[Telling the API who calls](access.md#tell-the-api-who-calls)',
      example: { 'X-User': '/sub', 'X-Email': '/email' },
    }),
  jwt: section({
    header: identityHeaderName().meta({
      description: "The header field of the JWT. A client's own field of this name passes on no route.",
      example: 'X-Identity',
    }),
    audience: text('expected an audience').meta({
      description: 'The `aud` of the JWT, which the upstream must check.',
      example: 'https://api.internal',
    }),
    claims: z
      .array(claimName(), 'expected a list of claims')
      .prefault(['sub'])
      .meta({ description: 'The names of the session claims that the JWT contains.' }),
    lifetime: duration({ min: 10_000, max: 600_000 }).prefault('60s').meta({
      description:
        'How long the JWT is valid, from `10s` to `10m`. The gateway reuses a JWT until a quarter of this time is left.',
    }),
  })
    .exactOptional()
    .meta({
      description:
        'A short-lived JWT about the user, signed with the first of `keys`, for upstreams that cannot check access tokens.',
      see: '[Telling the API who calls](access.md#tell-the-api-who-calls)',
    }),
});
