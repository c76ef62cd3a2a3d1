import { gateway } from './gateway.ts';
import { openEvents, openSocket, upload } from './live.ts';
import { button, element, show } from './page.ts';

const notices = {
  session_required: 'Please sign in.',
  session_expired: 'Your session has ended.',
  signed_out: 'You have signed out.',
  user_changed: 'Somebody else has signed in in another tab.',
};

const closers: (() => void)[] = [];

gateway.onSessionEnded((reason) => {
  for (const close of closers) close();
  showSignIn(notices[reason]);
});
gateway.onStepUpRequired(({ loginUrl }) => {
  const again = button('Sign in again', () => gateway.login({ loginUrl }));
  document.querySelector('#notice')?.replaceChildren('This call needs a fresh sign-in. ', again);
});

const session = await gateway.session();
if (session.authenticated) showApp(session.claims.name ?? session.subject);
else showSignIn('Welcome.');

function showSignIn(notice: string): void {
  show(
    element('p', { id: 'notice', role: 'alert' }, notice),
    button('Sign in', () => gateway.login()),
  );
}

function showApp(name: string): void {
  const [items, transfer, socket, events, progress] = [
    'items',
    'transfer',
    'socket',
    'events',
    'progress',
  ].map((id) => element('output', { id }));
  const picker = element('input', { type: 'file', ariaLabel: 'A file to upload' });
  const send = async () => {
    const [file] = picker.files ?? [];
    if (!file) return;
    const status = await upload(file, (share) => progress?.replaceChildren(`${Math.round(share * 100)} %`));
    progress?.append(`, status ${status}`);
  };
  picker.addEventListener('change', () => void send());
  show(
    element('h1', { id: 'name' }, name),
    element('p', { id: 'notice', role: 'status' }),
    button('Sign out', () => gateway.logout()),
    button('Load items', async () => {
      const response = await gateway.fetch('/api/items');
      if (response.ok) items?.replaceChildren((await response.json()).join(', '));
    }),
    button('Transfer', async () => {
      const { ok } = await gateway.fetch('/api/transfer', { method: 'POST' });
      transfer?.replaceChildren(ok ? 'Transferred.' : '');
    }),
    picker,
    ...[items, transfer, socket, events, progress].flatMap((each) => (each ? [element('p', {}, each)] : [])),
  );
  closers.push(
    openSocket((text) => socket?.replaceChildren(text)),
    openEvents((text) => events?.replaceChildren(text)),
  );
}
