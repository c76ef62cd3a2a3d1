import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Rolldown } from 'vite';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const client = join(root, 'packages/client/dist');

/** Bundles a snippet with its dependencies. The entry uses it as `./snippet.tsx`. */
export async function bundleSnippet(snippet: string, entry: string): Promise<string> {
  const folder = await mkdtemp(join(root, 'node_modules/.coatcheck-client-snippets-'));
  await writeFile(join(folder, 'snippet.tsx'), snippet);
  const input = join(folder, 'main.tsx');
  await writeFile(input, entry);
  const { output } = (await build({
    root: folder,
    configFile: false,
    logLevel: 'error',
    oxc: { jsx: { runtime: 'automatic' } },
    resolve: {
      alias: {
        'coatcheck-client/react': join(client, 'react.js'),
        'coatcheck-client': join(client, 'index.js'),
      },
    },
    build: { write: false, rolldownOptions: { input } },
  })) as Rolldown.RolldownOutput;
  await rm(folder, { recursive: true });
  return output.map((chunk) => (chunk.type === 'chunk' ? chunk.code : '')).join('\n');
}
