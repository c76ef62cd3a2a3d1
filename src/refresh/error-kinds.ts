/** The status of a vendor's own endpoint, which says nothing about the refresh token: a firewall in front may send it. */
export function isVendorStatus(error: string): boolean {
  return /^status \d{3}$/.test(error);
}

/** A response that is not one of OAuth: the server or a proxy in front of it may be broken for all sessions, or for this one. */
export function isUnexpected(error: string): boolean {
  return error.startsWith('unexpected');
}

/** Rejections that concern every session: of the client itself, or from a server that does not support OAuth. */
export function isAboutClient(error: string): boolean {
  return error === 'invalid_client' || isUnexpected(error);
}
