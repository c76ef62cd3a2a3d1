/** Whom a user name counts as: one person, however it is written. Most providers take no notice of case. */
export function userKey(username: string): string {
  return username.normalize('NFKC').trim().toLowerCase();
}
