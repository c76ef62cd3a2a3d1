import type { IncomingMessage, ServerResponse } from 'node:http';
import { escapeHtml } from '../../http/problem/escape-html.ts';
import { errorPagePolicy } from '../../http/security-headers.ts';

/**
 * True for a navigation that another site has begun: the browser sends no cookie with `SameSite=Strict`, so the session that
 * the sign-in replaces is unknown.
 */
export function mayLackCookie(
  { headers }: Pick<IncomingMessage, 'headers'>,
  sameSite: 'strict' | 'lax',
): boolean {
  return sameSite === 'strict' && headers['sec-fetch-site'] === 'cross-site';
}

const style = ':root{color-scheme:light dark}';

/**
 * Sends a page that opens `url`, at once and without a script if `byItself`. Otherwise the user clicks: whatever a browser says of
 * that navigation, it must not repeat itself without end. That navigation is one of the gateway's own page, so the browser sends
 * every cookie with it; a redirect would still belong to the other site.
 */
export function sendHop(response: ServerResponse, url: string, { byItself }: { byItself: boolean }): void {
  const address = escapeHtml(url);
  const refresh = byItself ? `<meta http-equiv="refresh" content="0; url=${address}">\n` : '';
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  // Other than the policy of the other endpoints, it has no sandbox, in which a page cannot refresh itself.
  response.setHeader('Content-Security-Policy', errorPagePolicy(style));
  response.end(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${refresh}<title>Sign-in</title>
<style>${style}</style>
</head>
<body><a href="${address}">Continue to the sign-in</a></body>
</html>
`);
}
