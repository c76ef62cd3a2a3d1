import { createHash } from 'node:crypto';
import type { Person } from './people.ts';

/** A whole HTML document and the headers that go with it. */
export interface Page {
  html: string;
  headers: Record<string, string>;
}

/** A sign-in that waits for approval on the other device. */
export interface Question {
  id: string;
  /** The person who must approve. */
  name: string;
  /** The code that the page shows as well, so that the person can match both. */
  bindingMessage: string | undefined;
}

/** The sign-in page: two people to pick from, or any name. `hint` fills the name in. A cancellable one has a button for that. */
export function loginPage(people: readonly Person[], hint: string, cancellable?: 'cancellable'): Page {
  return page(
    'Sign in',
    `<h1>Who is signing in?</h1>
    <p>A demo provider, without passwords.</p>
    <form method="post" class="people">${people.map(personButton).join('')}</form>
    <form method="post" class="anyone">
      <label for="name">Or someone else</label>
      <div>
        <input id="name" name="name" value="${escape(hint)}" required maxlength="60" autocomplete="off" placeholder="Any name">
        <button>Continue</button>
      </div>
    </form>
    ${cancellable ? '<form method="post"><button name="cancel" value="yes" class="no wide">Cancel</button></form>' : ''}`,
  );
}

/** The page of the other device: pending sign-ins with Yes and No. It reloads every two seconds. */
export function devicePage(questions: readonly Question[]): Page {
  const { html, headers } = page(
    'Your other device',
    questions.length === 0
      ? '<h1>Nobody is signing in</h1><p>A sign-in request from the page appears here.</p>'
      : questions.map(questionForm).join('<hr>'),
  );
  return { html, headers: { ...headers, Refresh: '2' } };
}

/** The provider's part of a sign-out: `form` is submitted at once, or by the button without scripts. */
export function logoutPage(form: string): Page {
  return page(
    'Signing out',
    `<h1>Signing out</h1>
    <p>The provider ends its own session too.</p>
    ${form}
    <button form="op.logoutForm" name="logout" value="yes" class="wide">Sign out</button>
    <script>${submit}</script>`,
  );
}

/** A page with one sentence and a link back to the application. */
export function messagePage(sentence: string, appUrl: string): Page {
  return page(
    'Demo provider',
    `<h1>${escape(sentence)}</h1>
    <p><a href="${escape(appUrl)}/">Back to the application</a></p>`,
  );
}

function personButton({ sub, name, email }: Person): string {
  const initials = name.replaceAll(/(\p{L})\p{L}*\s*/gu, '$1');
  return `<button name="sub" value="${escape(sub)}">
    <span class="initials" aria-hidden="true">${escape(initials)}</span>
    <span><strong>${escape(name)}</strong><small>${escape(email)}</small></span>
  </button>`;
}

function questionForm({ id, name, bindingMessage }: Question): string {
  const shown =
    bindingMessage === undefined ? '' : `<p>The page shows <strong>${escape(bindingMessage)}</strong>.</p>`;
  return `<h1>Is it you, ${escape(name)}?</h1>
    ${shown}
    <form method="post" class="answers">
      <input type="hidden" name="id" value="${escape(id)}">
      <button name="answer" value="yes">Yes, sign me in</button>
      <button name="answer" value="no" class="no">No</button>
    </form>`;
}

function page(title: string, main: string): Page {
  return {
    html: `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>${escape(title)}</title>
  <link rel="icon" href="data:,">
  <style>${style}</style>
</head>
<body>
  <main>
    ${main}
  </main>
  <footer>Demo OpenID provider, running on this machine</footer>
</body>
</html>
`,
    headers: { 'Content-Security-Policy': policy, 'Cache-Control': 'no-store' },
  };
}

function escape(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const submit = `document.querySelector('button').click()`;

const style = `
:root {
  color-scheme: light dark;
  --page: light-dark(#f7f7f5, #101113); --card: light-dark(#fff, #18191c);
  --ink: light-dark(#17181c, #ededef); --quiet: light-dark(#62656d, #9a9da6);
  --line: light-dark(#e4e4e0, #2b2d32); --hover: light-dark(#f4f4f1, #202226);
}
* { box-sizing: border-box; margin: 0 }
body {
  min-height: 100dvh; display: grid; place-content: center; justify-items: center; gap: 20px; padding: 24px 16px;
  background: var(--page); color: var(--ink);
  font: 15px/1.5 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
main {
  width: min(380px, calc(100vw - 32px)); padding: 32px; background: var(--card);
  border: 1px solid var(--line); border-radius: 14px; box-shadow: 0 1px 2px rgb(0 0 0 / 4%), 0 12px 32px rgb(0 0 0 / 5%);
}
h1 { font-size: 20px; line-height: 1.3; font-weight: 620; letter-spacing: -.015em; text-wrap: balance }
p { margin-top: 6px; color: var(--quiet) }
a { color: inherit }
footer { color: var(--quiet); font-size: 13px }
.people { display: grid; gap: 8px; margin-top: 24px }
button, input { font: inherit; color: inherit; border-radius: 9px }
button { cursor: pointer; border: 1px solid var(--ink); background: var(--ink); color: var(--card); padding: 8px 16px; font-weight: 550 }
.people button {
  display: flex; align-items: center; gap: 12px; padding: 10px 12px; text-align: left;
  border-color: var(--line); background: transparent; color: inherit; font-weight: 400;
}
.people button:hover { background: var(--hover) }
.people strong { display: block; font-weight: 580; line-height: 1.35 }
.people small { display: block; font-size: 13px; color: var(--quiet) }
.initials {
  display: grid; place-content: center; width: 36px; height: 36px; border-radius: 50%;
  background: var(--ink); color: var(--card); font-size: 13px; font-weight: 600; letter-spacing: .02em;
}
.anyone { margin-top: 20px; padding-top: 20px; border-top: 1px solid var(--line) }
.anyone label { font-size: 13px; color: var(--quiet) }
.anyone div { display: flex; gap: 8px; margin-top: 6px }
input { flex: 1; min-width: 0; padding: 8px 12px; border: 1px solid var(--line); background: transparent }
input::placeholder { color: var(--quiet); opacity: .8 }
.wide { width: 100%; margin-top: 24px }
.answers { display: flex; gap: 8px; margin-top: 24px }
.no { background: transparent; color: inherit; border-color: var(--line) }
hr { margin-block: 24px; border: 0; border-top: 1px solid var(--line) }
@media (pointer: coarse), (max-width: 640px) {
  button, input { min-height: 44px }
  p a { display: inline-block; padding-block: 12px }
}
:focus-visible { outline: 2px solid var(--ink); outline-offset: 2px }
`;

// No form-action: Chromium applies it to the redirects after a form, and those lead to the application.
const policy = [
  `default-src 'none'`,
  `style-src '${hashOf(style)}'`,
  `script-src '${hashOf(submit)}'`,
  `img-src data:`,
  `frame-ancestors 'none'`,
  `base-uri 'none'`,
].join('; ');

function hashOf(source: string): string {
  return `sha256-${createHash('sha256').update(source).digest('base64')}`;
}
