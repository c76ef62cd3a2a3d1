/** What providers may ignore in a user name: blanks, control and invisible characters, and accents after NFKD. */
const IGNORED = /[\p{White_Space}\p{Cc}\p{Default_Ignorable_Code_Point}\u0300-\u036F]+/gu;

/**
 * Maps all spellings of a user name that a provider may take for the same user to one rate-limit key.
 *
 * SECURITY: two users who share a key share a limit, which does no harm. A spelling with a key of its own is a second limit
 * for the same user's password.
 */
export function userKey(username: string): string {
  return username.normalize('NFKD').replace(IGNORED, '').toUpperCase().toLowerCase();
}
