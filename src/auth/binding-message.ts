import { randomInt } from 'node:crypto';
import type { BindingMessageSource } from '../config/values/binding-message.ts';
import { GatewayError } from '../errors.ts';

/** Chooses the binding message of a sign-in on another device, given the text of the page. Throws `bad_request`. */
export type BindingMessages = (textOfPage: unknown) => string | undefined;

/** Letters and digits that cannot be confused on a screen, and that form no words. */
const ALPHABET = 'BCDFGHJKLMNPQRSTVWXZ23456789';
const LENGTH = 5;

const MAX_LENGTH_OF_PAGE = 64;
/** Characters that hide or reorder text, or begin a new line. */
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}]/u;

/**
 * SECURITY: anybody may start a sign-in, and the binding message appears on the user's device as a message of the provider.
 * The page chooses it only if the configuration has a pattern for it.
 */
export function createBindingMessages(source: BindingMessageSource): BindingMessages {
  return (textOfPage) => {
    if (source instanceof RegExp) return textOfPage === undefined ? undefined : checked(textOfPage, source);
    if (textOfPage !== undefined) {
      throw new GatewayError('bad_request', {
        detail: 'Send no "binding_message": show the "bindingMessage" of the response, if it has one.',
      });
    }
    return source === 'generated' ? generate() : undefined;
  };
}

function generate(): string {
  return Array.from({ length: LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
}

function checked(text: unknown, pattern: RegExp): string {
  const isAllowed =
    typeof text === 'string' &&
    text.length <= MAX_LENGTH_OF_PAGE &&
    !INVISIBLE.test(text) &&
    pattern.exec(text)?.[0] === text;
  if (isAllowed) return text;
  throw new GatewayError('bad_request', {
    detail: '"binding_message" does not match the pattern of provider.bindingMessage.',
  });
}
