import type { IncomingHttpHeaders } from 'node:http';
import { rememberNames } from '../../header-names.ts';
import { CallError } from './call-error.ts';

/** The fields of a head or trailer section, by name in lower case. A repeated field has the list of its values. */
export type Fields = IncomingHttpHeaders;

/** Characters that no field value may have (RFC 9110, section 5.5); CR and LF are the business of lines. */
// eslint-disable-next-line no-control-regex -- they are what it looks for
const control = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/;
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** The name in lower case; empty for a name that is no token. */
const lowerCaseOf = rememberNames((name) => (token.test(name) ? name.toLowerCase() : ''));

const [TAB, SPACE] = [9, 32];

/** Fields without a prototype, so that one called `constructor` is like any other. V8 keeps their layout, as for any class. */
class FieldsObject {
  [name: string]: string | string[];
}
Reflect.deleteProperty(FieldsObject.prototype, 'constructor');
Object.setPrototypeOf(FieldsObject.prototype, null);

/** What a section says: its fields, and whether one of them came more than once. */
export type Section = { readonly fields: Fields; readonly hasRepetitions: boolean };

/**
 * Parses lines, each with CR LF at its end, into fields (RFC 9112, section 5). Begins at `start` of `text`. Throws for a line that
 * is no field: no colon, white space around the name, a folded line, a bare CR or LF, or a control character.
 */
export function parseFields(text: string, start: number): Section {
  if (control.test(text)) throw invalid('it has a control character');
  const fields = new FieldsObject();
  let hasRepetitions = false;
  let at = start;
  while (at < text.length) {
    const end = text.indexOf('\n', at) - 1;
    // SECURITY: another reader may take a bare CR or LF for the end of a line.
    if (end < at || text.indexOf('\r', at) !== end) throw invalid('a line does not end with CR LF');
    const colon = text.indexOf(':', at);
    const name = colon === -1 ? '' : lowerCaseOf(text.slice(at, colon));
    if (name === '') throw invalid('a line is not a field');
    const value = text.slice(...withoutSpace(text, colon + 1, end));
    const existing = fields[name];
    if (existing === undefined) fields[name] = value;
    else {
      hasRepetitions = true;
      if (typeof existing === 'string') fields[name] = [existing, value];
      else existing.push(value);
    }
    at = end + 2;
  }
  return { fields, hasRepetitions };
}

function withoutSpace(text: string, from: number, to: number): [number, number] {
  let [start, end] = [from, to];
  while (start < end && isSpace(text.charCodeAt(start))) start += 1;
  while (start < end && isSpace(text.charCodeAt(end - 1))) end -= 1;
  return [start, end];
}

function isSpace(code: number): boolean {
  return code === SPACE || code === TAB;
}

/** The error of a response that is not valid HTTP. */
export function invalid(reason: string): CallError {
  return new CallError('invalid', `the response of the upstream is invalid: ${reason}`);
}
