import { stringify } from 'yaml';
import type { KeySchema } from '../../src/config/schema/declaration/declared-keys.ts';

/** The description of a key with its details, in Markdown. */
export function describe({ description = '', details }: KeySchema): string {
  return [description, ...(typeof details === 'string' ? [details] : [])].join(' ');
}

/** A value as YAML on one line. */
export function inlineYaml(value: unknown): string {
  const text = stringify(value, { collectionStyle: 'flow', lineWidth: 0, singleQuote: true }).trimEnd();
  return text.replace(/^\[ (.*) \]$/, '[$1]');
}

/** Breaks a text into lines of at most `width` characters. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}
