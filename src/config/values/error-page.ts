import { readBoundedFile } from '../bounded-file.ts';
import { unreadable } from '../interpolation.ts';
import { text } from './scalar.ts';

/** A page in place of the gateway's own error page. */
export type ErrorPageTemplate = { readonly file: string; readonly html: string };

const MAX_BYTES = 65_536;

/** The values that the gateway fills in. */
export const errorPageValues = ['title', 'detail', 'retryUrl', 'retryLabel', 'requestId'] as const;

/** A value to fill in, with or without blanks inside: `{{title}}`. */
export const placeholder = /\{\{ *(\w+) *\}\}/g;

/** An HTML file, read when the configuration is; its placeholders are {@link errorPageValues}. */
export function errorPageFile() {
  return text('expected the path of an HTML file').transform((file, context): ErrorPageTemplate => {
    const html = readPage(file);
    if (typeof html !== 'string') {
      context.addIssue(html.problem);
      return { file, html: '' };
    }
    const known: readonly string[] = errorPageValues;
    for (const [whole, name = ''] of html.matchAll(placeholder)) {
      if (!known.includes(name))
        context.addIssue(`the file has the unknown placeholder ${whole}; known are ${known.join(', ')}`);
    }
    return { file, html };
  });
}

function readPage(file: string): string | { problem: string } {
  try {
    return readBoundedFile(file, MAX_BYTES);
  } catch (error) {
    return { problem: `the file ${unreadable(error, MAX_BYTES)}` };
  }
}
