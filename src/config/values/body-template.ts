import { z } from 'zod';

/** A JSON object in whose texts `{name}` is replaced when the request is made. */
export type BodyTemplate = Readonly<Record<string, unknown>>;

/**
 * The body of a JSON request: a mapping, or a JSON object as text, whose texts contain placeholders.
 *
 * @param needed - the placeholders that it must have; others are not allowed.
 */
export function bodyTemplate(needed: readonly [string, ...string[]]) {
  const example = needed.map((name) => `${name}: "{${name}}"`).join(', ');
  const expected = `expected a mapping, or a JSON object as text, such as { ${example} }`;
  return z
    .union([z.record(z.string(), z.unknown()), z.string()], expected)
    .transform((input, context): BodyTemplate => {
      const template = typeof input === 'string' ? parseObject(input) : input;
      if (template === undefined) {
        context.addIssue(expected);
        return z.NEVER;
      }
      const used = [...placeholdersIn(template)];
      for (const name of needed.filter((each) => !used.includes(each)))
        context.addIssue(`the placeholder {${name}} is missing`);
      if (used.some((each) => !needed.includes(each))) {
        // SECURITY: the braces may belong to a secret of the template, so the name is not shown.
        const known = needed.map((each) => `{${each}}`).join(', ');
        context.addIssue(`unknown placeholder; known placeholders: ${known}`);
      }
      return template;
    });
}

/** Every placeholder in the texts of a template. */
function* placeholdersIn(value: unknown): Iterable<string> {
  if (typeof value === 'string') {
    for (const [, name = ''] of value.matchAll(/\{(\w+)\}/g)) yield name;
  } else if (typeof value === 'object' && value !== null) {
    for (const child of Object.values(value)) yield* placeholdersIn(child);
  }
}

function parseObject(text: string): BodyTemplate | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
