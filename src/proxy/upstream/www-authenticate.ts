/**
 * What an upstream's 401 requires: another token (`refresh`), another sign-in (`step_up`, RFC 9470), or nothing that the
 * gateway can provide (`pass`).
 */
export type ChallengeAction = 'refresh' | 'step_up' | 'pass';

/**
 * Reads the challenges of a 401 (RFC 9110, section 11.6.1; RFC 6750, section 3). A Bearer challenge without an error, or
 * no challenge at all, is what many APIs say of an expired token.
 */
export function challengeAction(wwwAuthenticate: string | readonly string[] | undefined): ChallengeAction {
  if (wwwAuthenticate === undefined) return 'refresh';
  const challenges = parseChallenges(
    typeof wwwAuthenticate === 'string' ? wwwAuthenticate : wwwAuthenticate.join(', '),
  );
  if (challenges.length === 0) return 'refresh';
  const errors = challenges
    .filter(({ scheme }) => scheme === 'bearer' || scheme === 'dpop')
    .map(({ error }) => error);
  if (errors.includes('insufficient_user_authentication')) return 'step_up';
  return errors.some((error) => error === undefined || error === 'invalid_token') ? 'refresh' : 'pass';
}

/** A challenge by its scheme, in lower case, with its `error` parameter where it has one. */
export type Challenge = { scheme: string; error: string | undefined };

/** A token is a scheme unless a `=` follows it, which makes it a parameter; quoted values may hold commas. */
const tokens = /([A-Za-z0-9!#$%&'*+.^_`|~-]+)(?:[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^ \t,"]+))?/g;

/** Parses a WWW-Authenticate value. */
export function parseChallenges(value: string): Challenge[] {
  const challenges: Challenge[] = [];
  for (const [, name = '', parameter] of value.matchAll(tokens)) {
    const last = challenges.at(-1);
    if (parameter === undefined) challenges.push({ scheme: name.toLowerCase(), error: undefined });
    else if (last !== undefined && name.toLowerCase() === 'error') last.error = parameter.replaceAll('"', '');
  }
  return challenges;
}
