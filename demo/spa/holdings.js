/** Shows everything that a script of this page can read, and the session information of the gateway. */
export function showHoldings(session) {
  show('cookie', document.cookie === '' ? 'empty' : document.cookie);
  show('local', describe(localStorage));
  show('session', describe(sessionStorage));
  show('who', JSON.stringify(session, null, 2));
}

function describe(storage) {
  return storage.length === 0 ? 'empty' : JSON.stringify({ ...storage });
}

function show(id, text) {
  document.getElementById(id).textContent = text;
}
