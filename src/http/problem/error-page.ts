import { placeholder } from '../../config/values/error-page.ts';
import { errorPagePolicy } from '../security-headers.ts';
import { escapeHtml } from './escape-html.ts';

/** What an error page shows. */
export type ErrorPageContent = {
  readonly title: string;
  readonly detail: string;
  readonly retryUrl: string;
  readonly retryLabel: string;
  readonly requestId: string;
};

/** An HTML page, with the header fields that differ from those of other errors. */
export type ErrorPage = { readonly headers: Readonly<Record<string, string>>; readonly body: string };

export type CreatePage = (content: ErrorPageContent) => ErrorPage;

/** Light and dark, for a screen of any size; the link is large enough for a thumb. */
const style = `
:root{color-scheme:light dark;--back:#f4f5f7;--card:#fff;--text:#1b1f24;--soft:#57606a;--line:#d0d7de;--link:#0b57d0;--on-link:#fff}
@media (prefers-color-scheme:dark){:root{--back:#0d1117;--card:#161b22;--text:#e6edf3;--soft:#9aa5b1;--line:#30363d;--link:#8ab4f8;--on-link:#0d1117}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;min-height:100svh;display:grid;place-items:center;padding:1rem;background:var(--back);color:var(--text);font:1rem/1.5 system-ui,sans-serif}
main{width:100%;max-width:28rem;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:.75rem}
h1{margin:0 0 .5rem;font-size:1.5rem;line-height:1.25;text-wrap:balance}
p{margin:0 0 1.5rem}
a{display:inline-block;min-height:2.75rem;padding:.625rem 1.25rem;border-radius:.5rem;background:var(--link);color:var(--on-link);font-weight:600;text-decoration:none}
a:hover{text-decoration:underline}
a:focus-visible{outline:3px solid var(--text);outline-offset:2px}
p:last-child{margin:1.5rem 0 0;padding-top:1rem;border-top:1px solid var(--line);color:var(--soft);font-size:.8125rem}
code{overflow-wrap:anywhere;font-family:ui-monospace,monospace}
@media (max-width:30rem){main{padding:1.5rem}a{display:block;text-align:center}}
`;

const ownPage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{{title}}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>{{title}}</h1>
<p>{{detail}}</p>
<a href="{{retryUrl}}">{{retryLabel}}</a>
<p>Request ID: <code>{{requestId}}</code></p>
</main>
</body>
</html>
`;

/** Fills in the gateway's own page, or `template` in its place. */
export function createErrorPage(template: string | undefined): CreatePage {
  const headers = {
    'content-security-policy': errorPagePolicy(template === undefined ? style : undefined),
    'content-type': 'text/html; charset=utf-8',
  };
  const html = template ?? ownPage;
  return (content) => {
    const values = new Map(Object.entries(content));
    const body = html.replace(placeholder, (_whole, name: string) => escapeHtml(values.get(name) ?? ''));
    return { headers, body };
  };
}
