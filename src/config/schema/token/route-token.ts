import { z } from 'zod';
import { oneOf, shaped, text } from '../../values/scalar.ts';
import { exactUrl } from '../../values/url.ts';
import { section } from '../declaration/section.ts';

/** An absolute URI without fragment, as resources and token types are. */
const uri = (expected: string) => shaped(/^[a-z][a-z0-9+.-]*:[^\s#]+$/i, expected);

/** A list of resource indicators (RFC 8707, section 2). */
export const resources = () =>
  z
    .array(
      uri('expected an absolute URI without fragment (RFC 8707 section 2)'),
      'expected a list of resources',
    )
    .prefault([]);

/** The key of a route that lets callers with an access token of their own through. */
export const bearerKey = section({
  issuers: z
    .array(
      exactUrl('expected the http(s) URL of an issuer, without query, fragment or credentials'),
      'expected a list of issuers',
    )
    .prefault([])
    .meta({
      description:
        'The issuers whose access tokens a caller without a session may present, exactly as in `iss`. The gateway finds their keys through their metadata.',
      url: true,
      example: ['https://login.example.com/realms/acme'],
    }),
  audience: text('expected an audience').exactOptional().meta({
    description: 'The audience that the access token of such a caller must have in `aud`.',
    example: 'https://api.example.com',
  }),
})
  .prefault({})
  .meta({
    description:
      'Callers with an access token of their own (RFC 9068) pass, without a session; none by default.',
    see: '[Machines beside browsers](route-tokens.md#machines-beside-browsers)',
  });

/** The keys of a route that say which access token its upstream gets. */
export const routeTokenKeys = {
  bearer: bearerKey,
  token: oneOf(['user', 'client', 'exchange', 'none']).prefault('user').meta({
    misplacedSecret: true,
    description:
      "The access token for the upstream: `user`, the user's; `client`, one of the gateway itself by client credentials; `exchange`, one that the provider issues in exchange for the user's (RFC 8693); or `none`.",
    see: '[Tokens by route](route-tokens.md)',
  }),
  exchange: section({
    audience: text('expected an audience').exactOptional().meta({
      description: 'The `audience` of the token request, also with `token: client`.',
      example: 'https://orders.internal',
    }),
    scopes: z.array(text('expected a scope'), 'expected a list of scopes').prefault([]).meta({
      description: 'The scopes that the gateway requests for the exchanged token.',
    }),
    resource: resources().meta({
      description: 'Resource indicators of the exchanged token (RFC 8707).',
    }),
    tokenType: uri('expected a token type, such as urn:ietf:params:oauth:token-type:access_token')
      .exactOptional()
      .meta({
        description: 'The `requested_token_type` of the exchange (RFC 8693, section 3).',
        example: 'urn:ietf:params:oauth:token-type:jwt',
      }),
    actor: oneOf(['none', 'client']).prefault('none').meta({
      description:
        'Who acts for the user: with `client`, the exchange also sends a token of the gateway itself as `actor_token`.',
    }),
  })
    .prefault({})
    .meta({ description: 'The token that `token: exchange` asks the provider for.' }),
};
