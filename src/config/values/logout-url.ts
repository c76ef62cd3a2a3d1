import { shaped } from './scalar.ts';

const expected =
  'expected the http(s) URL of a logout page, without fragment or credentials; the only placeholders are {clientId} and {returnTo}';

// SECURITY: placeholders stand in the path or the query only; no value can name the host that a browser is sent to.
const template = /^https?:\/\/[^\s\\/?#@{}]+(?:[/?](?:[^\s\\#{}]|\{clientId\}|\{returnTo\})*)?$/;

/** The URL of a logout page that is no OpenID end-session endpoint, with the placeholders `{clientId}` and `{returnTo}`. */
export function logoutUrl() {
  return shaped(template, expected).refine((text) => URL.canParse(text), expected);
}
