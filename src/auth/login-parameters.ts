import { onlyValue } from '../http/inbound/query.ts';
import { loginRefused } from '../provider/login-failure.ts';

/** Picks the query parameters of `GET /login` that pass on to the provider. Throws `login_failed` for a sign-in that must fail. */
export type LoginParameters = (query: URLSearchParams) => Record<string, string>;

/** The values of a parameter that pass. */
type Allowed = 'any' | readonly string[];

/** The longest value that passes, in characters. */
const MAX_LENGTH = 256;
/** The value of `max_age`, which the callback checks: seconds (OpenID Connect Core, section 3.1.2.1). */
const seconds = /^\d{1,9}$/;

/**
 * SECURITY: no other query parameter reaches the provider (CVE-2025-67716), and any site can link to `GET /login`: a value that
 * is not allowed is ignored, and a parameter that the configuration fixes changes only to a value that the operator has
 * listed. `prompt=none` replaces `prompt=consent`, because the provider then still requires a consent that is missing; any other
 * fixed prompt would be skipped, so the sign-in fails with `login_required`.
 */
export function createLoginParameters(
  configured: Readonly<Record<string, Allowed>>,
  fixed: Readonly<Record<string, string>>,
): LoginParameters {
  const allowed: ReadonlyArray<[string, Allowed]> = Object.entries({
    login_hint: 'any' as const,
    prompt: [],
    ...configured,
  });
  const isAllowed = (name: string, values: Allowed, value: string) => {
    const isListed = values !== 'any' && values.includes(value);
    if (Object.hasOwn(fixed, name)) return isListed || isSilent(name, value);
    return isListed || values === 'any' || isSilent(name, value);
  };
  const skipsPrompt = (name: string, values: Allowed, value: string) =>
    isSilent(name, value) && !values.includes(value) && (fixed['prompt'] ?? 'consent') !== 'consent';

  return (query) =>
    Object.fromEntries(
      allowed.flatMap(([name, values]) => {
        const value = onlyValue(query, name);
        if (value === undefined || value.length > MAX_LENGTH) return [];
        if (!isAllowed(name, values, value)) return [];
        if (name === 'max_age' && !seconds.test(value)) return [];
        if (skipsPrompt(name, values, value)) {
          const reason = 'provider.authorizationParams fixes a prompt, so no sign-in can be silent';
          throw loginRefused(reason, undefined, 'login_required');
        }
        return [[name, value]];
      }),
    );
}

/** True for `prompt=none`, which always passes unless it skips a fixed prompt. */
function isSilent(name: string, value: string): boolean {
  return name === 'prompt' && value === 'none';
}
