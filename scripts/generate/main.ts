import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { configJsonSchema } from './json-schema.ts';

const file = fileURLToPath(new URL('../../config/coatcheck.schema.json', import.meta.url));
const style = await resolveConfig(file);
await writeFile(file, await format(JSON.stringify(configJsonSchema()), { ...style, filepath: file }));
