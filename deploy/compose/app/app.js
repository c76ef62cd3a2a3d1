const element = (id) => document.getElementById(id);

const session = await (await fetch('/auth/session')).json();
element('status').textContent = session.authenticated
  ? `Signed in as ${session.claims.name ?? session.subject}.`
  : 'Not signed in.';
element('login').hidden = session.authenticated;
element('call').hidden = element('logout').hidden = !session.authenticated;

async function call() {
  const response = await fetch('/api/who');
  element('response').textContent = `${response.status} ${await response.text()}`;
}
element('call').addEventListener('click', () => void call());
