import type { BodyTemplate } from '../config/values/body-template.ts';

/**
 * Fills the placeholders of a template, and gives the JSON text.
 *
 * SECURITY: values go into parsed texts, all in one pass: none can add a key, and none is searched for placeholders.
 */
export function fillBody(template: BodyTemplate, values: Readonly<Record<string, string>>): string {
  return JSON.stringify(template, (_key, value: unknown) =>
    typeof value === 'string'
      ? value.replaceAll(/\{(\w+)\}/g, (placeholder, name: string) => values[name] ?? placeholder)
      : value,
  );
}
