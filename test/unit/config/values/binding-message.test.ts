import { expect, it } from 'vitest';
import { bindingMessageSource } from '../../../../src/config/values/binding-message.ts';

const parse = (text: unknown) => bindingMessageSource().safeParse(text);

it.each(['generated', 'none'])('accepts the binding message %s', (text) =>
  expect(parse(text).data).toBe(text),
);

it('accepts a binding message given as a regular expression for the whole text', () => {
  expect(parse('^[A-Z0-9]{4,8}$').data).toEqual(/^[A-Z0-9]{4,8}$/v);
});

it.each(['', 'page', '[A-Z]+', '^[A-Z]+', '[A-Z]+$', '^$', '^[A-Z$', '^(?$', 7])(
  'rejects the binding message %j',
  (text) => {
    expect(parse(text).error?.issues).toEqual([
      expect.objectContaining({
        message: expect.stringContaining('expected generated, none, or a regular expression'),
      }),
    ]);
  },
);
