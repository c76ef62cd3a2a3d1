/** The rate-limit key of a user name. It ignores case and Unicode form, as most providers do. */
export function userKey(username: string): string {
  return username.normalize('NFKC').trim().toLowerCase();
}
