import { onlyValue } from '../http/inbound/query.ts';

/** Picks the query parameters of `GET /login` that pass on to the provider. */
export type LoginParameters = (query: URLSearchParams) => Record<string, string>;

/** The values of a parameter that pass. */
type Allowed = 'any' | readonly string[];

/** The longest value that passes, in characters. */
const MAX_LENGTH = 256;
/** The value of `max_age`, which the callback checks: seconds (OpenID Connect Core, section 3.1.2.1). */
const seconds = /^\d{1,9}$/;

/** SECURITY: no other query parameter reaches the provider (CVE-2025-67716). A value that is not allowed is ignored. */
export function createLoginParameters(configured: Readonly<Record<string, Allowed>>): LoginParameters {
  const { prompt = [], ...others } = configured;
  const allowed: ReadonlyArray<[string, Allowed]> = Object.entries({
    login_hint: 'any' as const,
    prompt: prompt === 'any' ? prompt : [...prompt, 'none'],
    ...others,
  });
  return (query) =>
    Object.fromEntries(
      allowed.flatMap(([name, values]) => {
        const value = onlyValue(query, name);
        if (value === undefined || value.length > MAX_LENGTH) return [];
        if (values !== 'any' && !values.includes(value)) return [];
        if (name === 'max_age' && !seconds.test(value)) return [];
        return [[name, value]];
      }),
    );
}
