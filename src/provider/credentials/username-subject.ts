import type { CredentialsProviderConfig } from './schema.ts';

/**
 * The subject of a user whose vendor names none: the user name, by the rule of `provider.usernameSubject`. Folded, it is the
 * same for every spelling that differs only in letter case, Unicode form or surrounding blanks, as most vendors ignore them.
 */
export function usernameSubject(
  username: string,
  rule: CredentialsProviderConfig['usernameSubject'],
): string | undefined {
  if (rule === 'exact') return username;
  const folded = username.normalize('NFKC').trim().toLowerCase();
  return folded === '' ? undefined : folded;
}
