import { z } from 'zod';

/** The source of the binding message: the gateway, none, or the page, whose text must match a pattern. */
export type BindingMessageSource = 'generated' | 'none' | RegExp;

const expected = 'expected generated, none, or a regular expression such as ^[A-Z0-9]{4,8}$, with ^ and $';

/** `generated`, `none`, or a regular expression for the whole text, which is parsed to a `RegExp`. */
export function bindingMessageSource() {
  return z.string(expected).transform((text, context): BindingMessageSource => {
    if (text === 'generated' || text === 'none') return text;
    const pattern = /^\^.+\$$/s.test(text) ? compile(text) : undefined;
    if (pattern !== undefined) return pattern;
    context.addIssue(expected);
    return z.NEVER;
  });
}

function compile(text: string): RegExp | undefined {
  try {
    return new RegExp(text, 'v');
  } catch {
    return undefined;
  }
}
