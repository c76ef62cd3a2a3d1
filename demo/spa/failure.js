/** What the page says after a sign-in that has failed, by `auth_error`. */
const sentences = {
  access_denied: 'You declined to sign in.',
  login_required: 'The provider requires you to sign in.',
  state_expired: 'The sign-in took too long.',
  step_up_unmet: 'The provider did not confirm the sign-in as required.',
};

/**
 * Reads the `auth_error` with which the gateway leads back to the page after a failed sign-in, and removes it from the
 * address. Undefined without one.
 */
export function takeFailure() {
  const address = new URL(location.href);
  const error = address.searchParams.get('auth_error');
  if (error === null) return undefined;
  const given = address.pathname + address.search;
  for (const name of ['auth_error', 'auth_request_id']) address.searchParams.delete(name);
  history.replaceState(null, '', address);
  return { error, sentence: sentences[error] ?? 'The sign-in failed.', address: given };
}
