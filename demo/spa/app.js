import { createCalls } from './calls.js';
import { createClient } from './coatcheck/index.js';
import { openSignedInPage } from './signed-in-page.js';
import { at, mark, notify, onClick } from './page.js';
import { offerSignIn, signInAgain } from './sign-in.js';

/** What the page says after a sign-in that has failed. */
const failures = {
  access_denied: 'You declined to sign in.',
  login_required: 'The provider requires you to sign in.',
  state_expired: 'The sign-in took too long.',
  step_up_unmet: 'The provider did not confirm the sign-in as required.',
};

const gateway = createClient();
const calls = createCalls(gateway);

try {
  const session = await gateway.session();
  if (session.authenticated) openSignedInPage(session, gateway, calls);
  else welcome();
  tellFailure(session);
} catch (error) {
  notify(`The gateway returned an unexpected response. ${error.message}`, 'Try again', () =>
    location.reload(),
  );
}

/** Reads `auth_error`, with which the gateway leads back to the page, and removes it from the address. */
function tellFailure({ authenticated }) {
  const address = new URL(location.href);
  const error = address.searchParams.get('auth_error');
  if (error === null) return;
  for (const name of ['auth_error', 'auth_request_id']) address.searchParams.delete(name);
  history.replaceState(null, '', address);
  const sentence = failures[error] ?? 'The sign-in failed.';
  if (authenticated) notify(sentence, 'Close', () => undefined);
  else notify(sentence, 'Try again', () => signInAgain(gateway));
}

function welcome() {
  at('welcome').hidden = false;
  offerSignIn(gateway);
  onClick(at('call-anonymously'), async () => {
    const { status, body, took } = await calls.call('/api/me');
    const refused = body.code === 'session_required';
    at('anonymous-answer').hidden = false;
    at('anonymous-answer').replaceChildren(
      mark(status),
      ` ${body.code ?? ''} in ${Math.round(took)} ms. `,
      refused ? 'The gateway rejected the call; it did not reach the API.' : '',
    );
  });
}
