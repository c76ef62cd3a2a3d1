import type { DeclaredKey } from '../../src/config/schema/declaration/declared-keys.ts';
import { configSchema } from '../../src/provider/read-config.ts';
import { inlineYaml } from './metadata.ts';

const keys = configSchema.keys.filter(({ isSection }) => !isSection);

/**
 * Fills the generated blocks of a page: `<!-- generated: session login -->` is followed by the table of the keys of these
 * sections, and `gateway` stands for the keys that are in no section. The block of `provider` has a heading and a table for
 * each provider type.
 */
export function fillTables(page: string): string {
  const block = /(<!-- generated: ([\w ]+) -->).*?(<!-- \/generated -->)/gs;
  return page.replace(block, (_match, start: string, sections: string, end: string) =>
    [start, sections === 'provider' ? providerTables() : tableOf(keysIn(sections.split(' '))), end].join(
      '\n\n',
    ),
  );
}

function keysIn(sections: readonly string[]): DeclaredKey[] {
  return keys.filter(({ path: [first = '', ...rest] }) =>
    sections.includes(rest.length === 0 ? 'gateway' : first),
  );
}

function providerTables(): string {
  const ofProvider = Map.groupBy(keysIn(['provider']), ({ providerType }) => providerType);
  return [...ofProvider]
    .map(([type, own]) => `### \`provider\` with \`type: ${type}\`\n\n${tableOf(own)}`)
    .join('\n\n');
}

/** A table of keys, and their details below it. */
function tableOf(rows: readonly DeclaredKey[]): string {
  const lines = rows.map((key) => `| \`${nameOf(key)}\` | ${defaultOf(key)} | ${meaningOf(key)} |`);
  const details = rows.flatMap((key) =>
    typeof key.schema['details'] === 'string' ? [`- \`${nameOf(key)}\`: ${key.schema['details']}`] : [],
  );
  const table = ['| Key | Default | Meaning |', '| --- | --- | --- |', ...lines].join('\n');
  return details.length === 0 ? table : `${table}\n\n${details.join('\n')}`;
}

/** The key by its path, with `[]` for any item of a list. */
function nameOf({ path }: DeclaredKey): string {
  return path.join('.').replaceAll('.*', '[]');
}

function defaultOf({ schema, isRequired }: DeclaredKey): string {
  if (schema.default !== undefined) return `\`${inlineYaml(schema.default)}\``;
  return isRequired ? 'required' : 'none';
}

function meaningOf({ schema: { description, see, secret, needsRestart } }: DeclaredKey): string {
  return [
    description,
    ...(secret === true ? ['Never shown in messages.'] : []),
    ...(needsRestart === true ? ['A change needs a restart.'] : []),
    ...(typeof see === 'string' ? [see] : []),
  ].join(' ');
}
