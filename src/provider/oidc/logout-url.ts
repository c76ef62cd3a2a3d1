/** The values for the placeholders of a configured logout URL. */
export type LogoutPlaceholders = { readonly clientId: string; readonly returnTo: string };

/** Fills in the placeholders of a configured `logoutUrl`, percent-encoded. */
export function fillLogoutUrl(template: string, { clientId, returnTo }: LogoutPlaceholders): URL {
  const filled = template
    .replaceAll('{clientId}', () => encodeURIComponent(clientId))
    .replaceAll('{returnTo}', () => encodeURIComponent(returnTo));
  return new URL(filled);
}
