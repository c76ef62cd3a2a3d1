import { unreadable, type Sources } from '../interpolation.ts';
import { text } from './scalar.ts';

/** A page in place of the gateway's own error page. */
export type ErrorPageTemplate = { readonly file: string; readonly html: string };

const MAX_BYTES = 65_536;

/** The values that the gateway fills in. */
export const errorPageValues = ['title', 'detail', 'retryUrl', 'retryLabel', 'requestId'] as const;

/** A value to fill in, with or without blanks inside: `{{title}}`. */
export const placeholder = /\{\{ *(\w+) *\}\}/g;

/** The path of an HTML file; {@link readErrorPage} reads it. */
export function errorPageFile() {
  return text('expected the path of an HTML file').transform((file): ErrorPageTemplate => ({
    file,
    html: '',
  }));
}

/** The content of the file, and what is wrong with it; its placeholders are {@link errorPageValues}. */
export function readErrorPage(
  file: string,
  readFile: Sources['readFile'],
): { html: string; problems: readonly string[] } {
  try {
    const html = readFile(file);
    return { html, problems: problemsOf(html) };
  } catch (error) {
    return { html: '', problems: [`the file ${unreadable(error, MAX_BYTES)}`] };
  }
}

function problemsOf(html: string): string[] {
  if (Buffer.byteLength(html) > MAX_BYTES) return [`the file is larger than ${MAX_BYTES / 1_024} kB`];
  const known: readonly string[] = errorPageValues;
  return [...html.matchAll(placeholder)]
    .filter(([, name = '']) => !known.includes(name))
    .map(([whole]) => `the file has the unknown placeholder ${whole}; known are ${known.join(', ')}`);
}
