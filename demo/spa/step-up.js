import { at, notify } from './page.js';
import { signIn } from './settings.js';

/** The fragment of the address after a step-up. */
const FRAGMENT = '#diary';

/**
 * Offers the call that needs a fresh sign-in, and that sign-in when the gateway asks for one. Returns the path to call once
 * the browser is back from a step-up that has not failed.
 */
export function offerStepUp(gateway, failure) {
  at('step-up').hidden = !signIn.isOpenId;
  gateway.onStepUpRequired(({ loginUrl, stepUp }) => {
    // The provider may still have somebody else signed in, who was refused: it must ask again.
    const parameters = failure?.error === 'step_up_unmet' ? { prompt: 'login' } : {};
    const signInAgain = () => gateway.login({ loginUrl, parameters, returnTo: `/${FRAGMENT}` });
    const asked = `The API asked for it: ${JSON.stringify(stepUp)}.`;
    notify('This call needs a fresh sign-in.', 'Sign in again', signInAgain, asked);
  });
  if (location.hash !== FRAGMENT) return undefined;
  history.replaceState(null, '', location.pathname + location.search);
  return failure ? undefined : at('diary').dataset.path;
}
