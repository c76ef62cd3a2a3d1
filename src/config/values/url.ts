import { z } from 'zod';
import { shaped } from './scalar.ts';

// SECURITY: the URL parser repairs `https:\\host`, `https:host` and embedded tabs, and takes the text before
// an `@` for credentials. A URL that reads differently from the host it leads to is rejected first.
const originOnly = /^https?:\/\/[^\s\\/?#@]+\/?$/;
const withQuery = /^https?:\/\/[^\s\\/?#@]+(\/[^\s\\?#]*)?(\?[^\s\\#]*)?$/;
const withPath = /^https?:\/\/[^\s\\/?#@]+(\/[^\s\\?#]*)?$/;

/** Metadata of every URL here: plain http to another machine needs `allowInsecureHttp`. */
const metadata = { url: true } as const;

/** An http(s) origin: scheme, host and port; parsed, it is as `URL#origin` writes it. */
export function originUrl(expected: string) {
  return shaped(originOnly, expected)
    .transform((text, context) => {
      if (URL.canParse(text)) return new URL(text).origin;
      context.addIssue(expected);
      return z.NEVER;
    })
    .meta(metadata);
}

/** An http(s) URL without query, fragment and credentials, kept exactly. */
export function exactUrl(expected: string) {
  return shaped(withPath, expected)
    .refine((text) => URL.canParse(text), expected)
    .meta(metadata);
}

/** The http(s) URL of an endpoint; it may have a query (RFC 6749, sections 3.1 and 3.2). Kept exactly. */
export function endpointUrl() {
  const expected = 'expected the http(s) URL of an endpoint, without fragment or credentials';
  return shaped(withQuery, expected)
    .refine((text) => URL.canParse(text), expected)
    .meta(metadata);
}

/** An http(s) URL without query, fragment and credentials; parsed, it is normalised and has no final slash. */
export function upstreamUrl(expected: string) {
  return exactUrl(expected).transform((text) => {
    const { origin, pathname } = new URL(text);
    return origin + pathname.replace(/\/+$/, '');
  });
}

/** One URL of an upstream, or a list of those of its servers; parsed, it is a list. All have the same path. */
export function upstreamUrls(expected: string) {
  const list = z.array(upstreamUrl(expected), expected).min(1, expected);
  return z
    .union([upstreamUrl(expected), list], expected)
    .transform((urls) => (typeof urls === 'string' ? [urls] : urls))
    .refine((urls) => new Set(urls).size === urls.length, 'expected URLs that differ')
    .refine(
      (urls) => new Set(urls.map((url) => new URL(url).pathname)).size === 1,
      'expected URLs with the same path',
    )
    .meta(metadata);
}

/** True for plain http to another machine, which anybody on the network path can read and change. */
export function isInsecure(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' && !isLoopbackHost(hostname);
}

/** True when a host, as `URL#hostname` writes it, is this machine: `localhost`, 127.0.0.0/8 or ::1. */
export function isLoopbackHost(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}
