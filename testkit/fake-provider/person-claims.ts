/** The claims about a user that the granted scopes release (OpenID Connect Core, section 5.4). */
export function claimsAbout(subject: string, scopes: readonly string[]): Record<string, unknown> {
  return {
    sub: subject,
    ...(scopes.includes('profile') && {
      name: `${subject.charAt(0).toUpperCase()}${subject.slice(1)} Example`,
      preferred_username: subject,
      picture: `https://pictures.example.test/${encodeURIComponent(subject)}.png`,
    }),
    ...(scopes.includes('email') && { email: `${subject}@example.test`, email_verified: true }),
  };
}
