import { onlyValue } from '../../http/inbound/query.ts';

/**
 * Picks the query parameters of `GET /login` that pass on to the provider. `skips_prompt`: the sign-in would be silent, although a
 * prompt is fixed.
 */
export type LoginParameters = (query: URLSearchParams) => Record<string, string> | 'skips_prompt';

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
  const isAllowed = (name: string, values: Allowed, value: string) =>
    isSilent(name, value) || (values === 'any' ? !Object.hasOwn(fixed, name) : values.includes(value));
  const prompts = configured['prompt'] ?? [];
  const mayBeSilent = prompts.includes('none') || (fixed['prompt'] ?? 'consent') === 'consent';
  const skipsPrompt = (query: URLSearchParams) =>
    !mayBeSilent && isSilent('prompt', onlyValue(query, 'prompt') ?? '');

  return (query) => {
    if (skipsPrompt(query)) return 'skips_prompt';
    return Object.fromEntries(
      allowed.flatMap(([name, values]) => {
        const value = onlyValue(query, name);
        if (value === undefined || value.length > MAX_LENGTH) return [];
        if (!isAllowed(name, values, value)) return [];
        if (name === 'max_age' && !seconds.test(value)) return [];
        return [[name, value]];
      }),
    );
  };
}

/** True for `prompt=none`, which always passes unless it skips a fixed prompt. */
function isSilent(name: string, value: string): boolean {
  return name === 'prompt' && value === 'none';
}
