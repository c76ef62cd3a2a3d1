import type { BrowserPage } from '../../../testkit/browsers/browser.ts';

/**
 * A page that uses the browser helper: it shows who is signed in and, once the session has ended, a notice instead.
 *
 * `?poll=NAME` calls `/api/NAME` every 100 milliseconds. With `?redirect`, the page leaves for the sign-in when the session
 * ends, as apps do that follow no advice.
 */
export const WATCHING_APP = `<!doctype html>
  <title>app</title>
  <p id="who"></p>
  <p id="notice" role="alert"></p>
  <script type="module">
    import { createClient } from './coatcheck/index.js';
    const gateway = (window.gateway = createClient());
    const show = (id, text) => (document.getElementById(id).textContent = text);
    const query = new URLSearchParams(location.search);
    addEventListener('pageshow', ({ persisted }) => (window.wasRestored = persisted));
    gateway.onSessionEnded((reason) => {
      show('who', '');
      show('notice', reason);
      if (query.has('redirect')) gateway.login();
    });
    const session = await gateway.session();
    show('who', session.authenticated ? session.subject : 'nobody');
    if (query.has('poll')) setInterval(() => gateway.fetch('/api/' + query.get('poll')).catch(() => {}), 100);
  </script>`;

/** What a page shows: who is signed in, the notice, and whether it came from the back-forward cache. */
export const shownOn = (page: BrowserPage) =>
  page.evaluate(() => ({
    who: document.getElementById('who')?.textContent,
    notice: document.getElementById('notice')?.textContent,
    wasRestored: (window as unknown as { wasRestored?: boolean }).wasRestored === true,
  }));

/** Runs one of the helper's functions in the page, without waiting for where it leads. */
export const callHelper = (page: BrowserPage, name: 'login' | 'logout', options: object = {}) =>
  page.evaluate(
    ([method, argument]) => {
      const { gateway } = window as unknown as { gateway: Record<string, (argument: unknown) => void> };
      setTimeout(() => gateway[method]?.(argument));
    },
    [name, options] as const,
  );
