import type { BodyTemplate } from '../../config/values/body-template.ts';

/**
 * Fills the placeholders of a template. Returns JSON text.
 *
 * SECURITY: values go into parsed texts, in one pass: a value cannot add a key, and is not searched for placeholders.
 */
export function fillBody(template: BodyTemplate, values: Readonly<Record<string, string>>): string {
  return JSON.stringify(template, (_key, value: unknown) =>
    typeof value === 'string'
      ? value.replaceAll(/\{(\w+)\}/g, (placeholder, name: string) => values[name] ?? placeholder)
      : value,
  );
}
