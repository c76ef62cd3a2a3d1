import { at, element, onClick } from './page.js';
import { signIn } from './settings.js';

/** Begins a sign-in again: leaves for the provider, or shows the page with the form. */
export function signInAgain(gateway) {
  if (signIn.by === 'redirect') gateway.login();
  else location.reload();
}

/** Shows the way to sign in that the provider has. */
export function offerSignIn(gateway) {
  if (signIn.by === 'password') onSubmit(at('password'), (form) => signInByPassword(gateway, form));
  else if (signIn.by === 'device') onSubmit(at('device'), (form) => signInOnDevice(gateway, form));
  else {
    at('sign-in').hidden = false;
    onClick(at('sign-in'), () => gateway.login());
  }
  if (signIn.isOpenId) {
    at('fail').hidden = false;
    // The provider must not ask the visitor, whom it does not know: it can only refuse.
    onClick(at('fail'), () => gateway.login({ parameters: { prompt: 'none' } }));
  }
  if (signIn.by === 'password') tell(`Sign in as ada or grace; the password is “${signIn.password}”.`);
}

async function signInByPassword(gateway, credentials) {
  const { status } = await post(gateway, '/auth/login', credentials);
  if (status === 204) location.reload();
  else if (status === 429) tell('Too many attempts. Try again in a minute.');
  else tell('The vendor does not accept this user name and password.');
}

async function signInOnDevice(gateway, hints) {
  const begun = await post(gateway, '/auth/decoupled', hints);
  if (begun.status !== 202) return tell('The provider does not know this name; try ada or grace.');
  const link = element('a', '', 'the other device');
  Object.assign(link, { href: signIn.url, target: '_blank' });
  const { bindingMessage, ...state } = await begun.json();
  let { interval } = state;
  tell('Approve on ', link, ', which must show ', element('strong', '', bindingMessage), '.');
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, interval * 1000));
    const polled = await gateway.fetch('/auth/decoupled');
    if (polled.status === 200) return location.reload();
    if (polled.status !== 202)
      return tell(
        polled.status === 403 ? 'The sign-in was denied.' : 'The sign-in was not approved in time.',
      );
    ({ interval } = await polled.json());
  }
}

function post(gateway, path, body) {
  const headers = { 'Content-Type': 'application/json' };
  return gateway.fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
}

function onSubmit(form, act) {
  form.hidden = false;
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    try {
      await act(Object.fromEntries(new FormData(form)));
    } catch (error) {
      tell(`That failed. ${error.message}`);
    }
  });
}

function tell(...parts) {
  at('sign-in-response').hidden = false;
  at('sign-in-response').replaceChildren(...parts);
}
