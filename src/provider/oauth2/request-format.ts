import type { CustomFetch } from 'openid-client';

/** A fetch that sends forms as JSON objects, and any other body unchanged. */
export function sendFormsAsJson(fetch: CustomFetch): CustomFetch {
  return (url, { body, headers, ...options }) => {
    if (!(body instanceof URLSearchParams)) return fetch(url, { ...options, headers, body });
    const parameters = [...new Set(body.keys())].map((name) => {
      const values = body.getAll(name);
      // `resource` may be given several times (RFC 8707, section 2).
      return [name, values.length === 1 ? values[0] : values];
    });
    return fetch(url, {
      ...options,
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(Object.fromEntries(parameters)),
    });
  };
}
