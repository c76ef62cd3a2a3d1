import { shaped } from './scalar.ts';

const expected =
  'expected the http(s) URL of a logout page, without fragment or credentials; the only placeholders are {clientId} and {returnTo}';

// SECURITY: placeholders are allowed in the path and the query only, so that no value can choose the host.
const template = /^https?:\/\/[^\s\\/?#@{}]+(?:[/?](?:[^\s\\#{}]|\{clientId\}|\{returnTo\})*)?$/;

/** The URL of a logout page other than an OpenID end-session endpoint, with the placeholders `{clientId}` and `{returnTo}`. */
export function logoutUrl() {
  return shaped(template, expected)
    .refine((text) => URL.canParse(text), expected)
    .meta({ url: true });
}
