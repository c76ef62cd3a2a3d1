import { z } from 'zod';
import { shaped } from '../values/scalar.ts';

/** Fields that frame a message or belong to one connection (RFC 9110 sections 7.6.1 and 8.6, RFC 9112). */
const framing = [
  'connection',
  'content-length',
  'expect',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/** Request fields that only the gateway writes: the access token and its proof, the forwarded cookies, the upstream's name. */
const owned = ['authorization', 'cookie', 'dpop', 'host'];

const name = () =>
  shaped(/^[A-Za-z0-9-]+$/, 'expected a header name of letters, digits and hyphens').meta({
    description: 'A header field name, case-insensitive.',
  });

// SECURITY: a line break in a value would end the field and begin another one.
const value = () =>
  shaped(/^[ -~\u00a0-\u00ff]*$/, 'expected a header value: printable Latin-1 characters on one line').meta({
    description: 'The value of the field.',
  });

/** Fields of every upstream request about the request itself. */
const ownFields = [
  'forwarded',
  'traceparent',
  'tracestate',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-request-id',
];

/** The name of a header field that tells an upstream who calls; as written, for upstreams that show it. */
export function identityHeaderName() {
  return name().refine(
    (field) => ![...framing, ...owned, ...ownFields].includes(field.toLowerCase()),
    'the gateway sets this field itself; it cannot tell who calls',
  );
}

/** Header fields to set on requests to the upstream; parsed names are in lower case. */
export function requestHeadersToSet() {
  return headersToSet([...framing, ...owned]);
}

/** Header fields to set on responses to the browser; parsed names are in lower case. */
export function responseHeadersToSet() {
  return headersToSet(framing);
}

/** Names of header fields; parsed names are in lower case. */
export function headerNames() {
  return z.array(
    name().transform((field) => field.toLowerCase()),
    'expected a list of header names',
  );
}

function headersToSet(reserved: readonly string[]) {
  const settable = name().refine(
    (field) => !reserved.includes(field.toLowerCase()),
    'the gateway sets this field itself; it cannot be overridden',
  );
  return z
    .record(settable, value(), 'expected a mapping of header names to values')
    .superRefine((headers, context) => {
      const fields = Object.keys(headers);
      const lowercased = fields.map((field) => field.toLowerCase());
      for (const [index, field] of fields.entries()) {
        if (lowercased.indexOf(field.toLowerCase()) === index) continue;
        const message = 'this field is set twice; field names are case-insensitive';
        context.addIssue({ code: 'custom', message, path: [field] });
      }
    })
    .transform((headers) =>
      Object.fromEntries(Object.entries(headers).map(([field, content]) => [field.toLowerCase(), content])),
    );
}
