import { createCalls } from './calls.js';
import { createClient } from './coatcheck/index.js';
import { takeFailure } from './failure.js';
import { openSignedInPage } from './signed-in-page.js';
import { at, element, mark, notify, onClick } from './page.js';
import { offerSignIn, signInAgain } from './sign-in.js';

const gateway = createClient();
const calls = createCalls(gateway);

try {
  const failure = takeFailure();
  const session = await gateway.session();
  if (session.authenticated) openSignedInPage(session, gateway, calls, failure);
  else welcome();
  if (failure) tell(failure, session);
} catch (error) {
  notify(`The gateway returned an unexpected response. ${error.message}`, 'Try again', () =>
    location.reload(),
  );
}

function tell({ sentence, address }, { authenticated }) {
  const background = ['The gateway led back to ', element('code', '', address), ', which this page reads.'];
  if (authenticated) notify(sentence, 'Close', () => undefined, ...background);
  else notify(sentence, 'Try again', () => signInAgain(gateway), ...background);
}

function welcome() {
  at('welcome').hidden = false;
  offerSignIn(gateway);
  onClick(at('call-anonymously'), async () => {
    const { status, body, took } = await calls.call('/api/me');
    const refused = body.code === 'session_required';
    at('anonymous-response').hidden = false;
    at('anonymous-response').replaceChildren(
      mark(status),
      ` ${body.code ?? ''} in ${Math.round(took)} ms. `,
      refused ? 'The gateway rejected the call; it did not reach the API.' : '',
    );
  });
}
