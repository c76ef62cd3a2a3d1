/** Every value of the field, in one text or several. */
export type WwwAuthenticate = string | readonly string[] | undefined;

/** The parameters that the gateway reads. */
const names = ['error', 'acr_values', 'max_age', 'scope'] as const;
type Name = (typeof names)[number];

/** A challenge by its scheme, in lower case, with the parameters that the gateway reads. */
export type Challenge = { readonly scheme: string } & { [name in Name]?: string };

/** A token is a scheme unless a `=` follows it, which makes it a parameter; quoted values may hold commas. */
const tokens = /([A-Za-z0-9!#$%&'*+.^_`|~-]+)(?:[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^ \t,"]+))?/g;

/** Parses a WWW-Authenticate value. Of a repeated parameter, the first one counts. */
export function parseChallenges(wwwAuthenticate: WwwAuthenticate): Challenge[] {
  const text = typeof wwwAuthenticate === 'object' ? wwwAuthenticate.join(', ') : (wwwAuthenticate ?? '');
  const challenges: Challenge[] = [];
  for (const [, token = '', parameter] of text.matchAll(tokens)) {
    if (parameter === undefined) {
      challenges.push({ scheme: token.toLowerCase() });
      continue;
    }
    const challenge = challenges.at(-1);
    const name = names.find((each) => each === token.toLowerCase());
    if (challenge !== undefined && name !== undefined) challenge[name] ??= unquote(parameter);
  }
  return challenges;
}

function unquote(parameter: string): string {
  return parameter.startsWith('"') ? parameter.slice(1, -1).replace(/\\(.)/g, '$1') : parameter;
}
