import { hasFailed } from './calls.js';
import { showHoldings } from './holdings.js';
import { openLive } from './live.js';
import { at, chip, element, mark, notify, onClick } from './page.js';
import { signInAgain } from './sign-in.js';
import { offerStepUp } from './step-up.js';
import { createStream } from './stream.js';
import { createTimeline } from './timeline.js';
import { createTokens } from './tokens.js';

/** What the page says when its session has ended. */
const notices = {
  session_required: 'Please sign in.',
  session_expired: 'Your session has ended.',
  signed_out: 'You have signed out in another tab.',
  user_changed: 'Somebody else has signed in in another tab.',
};

/** Opens the page of someone who is signed in. */
export function openSignedInPage(session, gateway, calls, failure) {
  const tokens = createTokens({ lifetime: 30, renewedWithin: 8, colours: 6 });
  const stream = createStream(() => calls.call('/api/time'), 200);
  const timeline = createTimeline(at('timeline'), { tokens, isMoving: stream.isRunning, failed: hasFailed });

  at('signed-in').hidden = false;
  showAccount(session);
  showHoldings(session);
  count(calls);

  calls.onCall((call) => {
    tokens.see(call);
    timeline.add(call);
    at('tokens').textContent = tokens.all().length;
    showToken(tokens);
  });
  tokens.onRenewal(showRenewal);
  setInterval(() => showToken(tokens), 250);

  function toggleStream(running) {
    if (running) stream.start();
    else stream.stop();
    at('stream').textContent = running ? 'Stop the calls' : 'Start the calls';
    timeline.wake();
  }

  /** Takes the user off the screen, and everything that the user has loaded. */
  function endSession(reason) {
    toggleStream(false);
    at('signed-in').hidden = true;
    at('account').hidden = true;
    for (const id of ['name', 'initials', 'who', 'response', 'response-line']) at(id).textContent = '';
    notify(notices[reason], 'Sign in', () => signInAgain(gateway));
  }

  function signOut() {
    toggleStream(false);
    gateway.logout();
  }

  async function rejectToken() {
    const { status, body } = await calls.call('/api/reject-current-token', { method: 'POST' });
    if (status !== 200) return;
    tokens.reject(body.rejected);
    timeline.markRejection(performance.now());
    const next = await callAndShow(calls, 'GET', '/api/me');
    if (next.status === 200 && next.token.fingerprint !== body.rejected) {
      at('response-line').append(element('span', 'note', 'refreshed early'));
    }
  }

  openLive({
    onTick: ({ tick, openedBy }) => showLive('open', `open, tick ${tick}, opened with ${openedBy}`),
    async onClose(code) {
      showLive('closed', `closed (${code})`);
      try {
        await gateway.session(); // reports the end of the session to the listener below
      } catch {
        toggleStream(false);
        notify('The gateway cannot be reached.', 'Reload', () => location.reload());
      }
    },
  });
  gateway.onSessionEnded(endSession);
  const firstPath = offerStepUp(gateway, failure) ?? '/api/me';

  onClick(at('stream'), () => toggleStream(!stream.isRunning()));
  onClick(at('reject'), rejectToken);
  onClick(at('sign-out'), signOut);
  onClick(at('ask'), async () => showHoldings(await gateway.session()));
  at('note').addEventListener('submit', (event) => {
    event.preventDefault();
    void addNote(calls, event.target);
  });
  for (const button of document.querySelectorAll('[data-path]')) {
    onClick(button, () => callAndShow(calls, 'GET', button.dataset.path));
  }
  void callAndShow(calls, 'GET', firstPath);
}

async function addNote(calls, form) {
  const note = { text: new FormData(form).get('text') };
  const headers = { 'Content-Type': 'application/json' };
  const { status } = await callAndShow(calls, 'POST', '/api/items', { headers, body: JSON.stringify(note) });
  if (status === 201) form.reset();
}

async function callAndShow(calls, method, path, init) {
  const call = await calls.call(path, { method, ...init });
  const { token: _, ...body } = call.body;
  at('response-line').replaceChildren(mark(call.status), ` ${method} ${path} in ${Math.round(call.took)} ms`);
  at('response').hidden = false;
  at('response').textContent = JSON.stringify(body, null, 2);
  return call;
}

function count(calls) {
  let made = 0;
  let failed = 0;
  calls.onCall((call) => {
    made += 1;
    if (hasFailed(call)) failed += 1;
    at('calls').textContent = made.toLocaleString();
    at('failed').textContent = failed.toLocaleString();
    at('failed').classList.toggle('bad', failed > 0);
  });
}

function showAccount({ subject, claims }) {
  const name = claims.name ?? subject;
  const words = name.split(/\s+/).slice(0, 2);
  at('account').hidden = false;
  at('name').textContent = name;
  at('initials').textContent = words.map((word) => [...word][0]).join('');
}

function showToken(tokens) {
  const token = tokens.current();
  if (!token) return;
  const left = tokens.secondsLeft(token);
  at('current').replaceChildren(chip(token));
  at('life').value = left;
  at('seconds-left').textContent = left > 0 ? `${Math.ceil(left)} s left` : 'expired';
}

function showRenewal({ before, after, left, early }) {
  const seconds = Math.round(left);
  const how = early
    ? `: the API rejected that token with ${seconds} seconds left. The call succeeded.`
    : left > 0
      ? `, ${seconds} seconds before it expired.`
      : ', which had expired between calls.';
  const event = document.createElement('li');
  const took = early ? ' early replaced ' : ' replaced ';
  event.append(element('time', '', new Date().toLocaleTimeString()), chip(after), took, chip(before), how);
  at('events').querySelector('.hint')?.remove();
  at('events').prepend(event);
  while (at('events').children.length > 4) at('events').lastChild.remove();
}

function showLive(state, text) {
  at('live').dataset.state = state;
  at('live').textContent = text;
}
