import { z } from 'zod';
import { pageParameterName } from '../values/authorization-parameter.ts';
import { errorPageFile } from '../values/error-page.ts';
import { localPath, pathPrefixBelowRoot } from '../values/path.ts';
import { accessRules } from './access/rule.ts';
import { flag, shaped } from '../values/scalar.ts';
import { section } from './declaration/section.ts';

const expectedValues = 'expected any, or a list of values; put quotes around a number';

/** Which values of a query parameter of `GET /auth/login` pass on to the provider. */
const allowedValues = z.union(
  [
    z.literal('any'),
    z.array(z.string(expectedValues).min(1, expectedValues).max(256, expectedValues)).min(1, expectedValues),
  ],
  expectedValues,
);

const acrValue = shaped(/^[!#-[\]-~]+$/, 'expected a value without spaces or quotes');
const scope = shaped(/^[!#-[\]-~]+$/, 'expected a scope without spaces or quotes (RFC 6749 section 3.3)');
const expectedScopes = 'expected any, or a list of scopes';

/** Sign-in and sign-out. */
export const loginSchema = section({
  prefix: pathPrefixBelowRoot().prefault('/auth').meta({
    description: "The path of the gateway's own endpoints. No route may lie below it.",
  }),
  defaultReturnTo: localPath().prefault('/').meta({
    description: 'Where a sign-in leads without a `returnTo`: a path on this origin.',
  }),
  postLogoutReturnTo: localPath().prefault('/').meta({
    description: 'Where a sign-out leads: a path on this origin.',
  }),
  failureReturnTo: localPath().exactOptional().meta({
    description:
      'Where a failed sign-in leads when its own `returnTo` is unknown: a path on this origin. Without it, the gateway shows its error page.',
    example: '/sign-in-failed',
  }),
  errorPage: errorPageFile().exactOptional().meta({
    description:
      "An HTML file in place of the gateway's error page, of at most 64 kB, relative to the working directory of the process.",
    details:
      'It has the placeholders `{{title}}`, `{{detail}}`, `{{retryUrl}}`, `{{retryLabel}}` and `{{requestId}}`. It runs no script, and loads styles, images and fonts from this origin only.',
    see: '[Error pages](endpoints.md#error-pages)',
    example: './error.html',
  }),
  parameters: z
    .record(
      pageParameterName(),
      allowedValues.meta({ description: 'The values that pass: `any`, or a list of them.' }),
      'expected a mapping of parameter names to any or to lists of values',
    )
    .prefault({})
    .meta({
      description:
        'Query parameters of `GET /auth/login` that the gateway passes on to the provider: each with a list of its values, or `any`. `login_hint` and `prompt=none` always pass.',
      details:
        'Any site can link to `GET /auth/login`, so list the values of each parameter that affects security. Parameters of the protocol, such as `scope` or `state`, cannot pass.',
      see: '[`GET /auth/login`](endpoints.md#get-authlogin)',
      example: { prompt: ['login', 'select_account', 'create'], ui_locales: 'any', max_age: 'any' },
    }),
  requestRouteScopes: flag().prefault(false).meta({
    description:
      'Whether every sign-in asks for the scopes and resources of all routes, so that nobody needs a step-up for what the app always uses.',
    see: '[Scopes and resources of routes](providers.md#scopes-and-resources-of-routes)',
  }),
  require: accessRules()
    .prefault([])
    .meta({
      description:
        'Rules that a user must meet to get a session at all, as in `routes[].require`; a session that no longer meets them gets 403 on every route.',
      see: '[Access](access.md)',
      example: [{ claim: '/email', endsWith: '@acme.example' }],
    }),
  stepUp: section({
    acrValues: z
      .array(acrValue, 'expected a list of values')
      .prefault([])
      .meta({
        description:
          'Where `provider.authorizationParams` fixes `acr_values`: further values that an API may ask for in a step-up. Without a fixed one, an API may ask for any.',
        see: '[Limits](step-up.md#limits)',
        example: ['gold'],
      }),
    scopes: z
      .union([z.literal('any'), z.array(scope, expectedScopes)], expectedScopes)
      .prefault('any')
      .meta({
        description:
          'Scopes that an API may ask for in a step-up: `any`, or a list, which adds to those of `provider.scopes` and `routes[].scopes`. A challenge that names another scope passes to the page unchanged.',
        details:
          'Every route without `scopes` or `resource` of its own gets the same access token, with these scopes: write a list, `[]` included, if you do not trust all of these APIs alike.',
        see: '[Limits](step-up.md#limits)',
        example: ['items.write'],
      }),
  })
    .prefault({})
    .meta({ description: 'What an API may ask for in a step-up.' }),
}).meta({ description: 'Sign-in and sign-out.' });
