import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { isSupportedNode } from '../../src/supported-node.ts';
import { startChildProcess } from '../../testkit/processes/child-process.ts';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));
const PRETENDED = 'v22.1.0';

/** How a process with an unsupported Node.js starts. */
let node: { path: string; options: string[]; version: string };

/**
 * The npm scripts run on any Node.js and start the pinned one. Where the machine's own is unsupported, the tests use it; elsewhere
 * the pinned one names another version before it loads anything else.
 */
beforeAll(async () => {
  const path = process.env['npm_node_execpath'] ?? process.execPath;
  const child = startChildProcess(path, ['--version']);
  await child.exit;
  const version = child.stdout().trimEnd();
  const pretend = `Object.defineProperty(process, 'version', { value: '${PRETENDED}' });`;
  node = isSupportedNode(version)
    ? {
        path: process.execPath,
        options: [`--import=data:text/javascript,${encodeURIComponent(pretend)}`],
        version: PRETENDED,
      }
    : { path, options: [], version };
});

const sentence = () => `Coatcheck needs Node.js 24, or 26 and later; this is ${node.version}.\n`;

it('the built program says in one sentence that it does not run on this Node.js', async () => {
  const child = startChildProcess(node.path, [...node.options, join(dist, 'main.js'), '--version']);
  expect(await child.exit).toMatchObject({ code: 1 });
  expect([child.stdout(), child.stderr()]).toEqual(['', sentence()]);
});

it('the built library throws one sentence that says so', async () => {
  const entry = pathToFileURL(join(dist, 'index.js')).href;
  const program = `import(${JSON.stringify(entry)}).catch(({ message }) => console.log(message))`;
  const child = startChildProcess(node.path, [...node.options, '--input-type=module', '--eval', program]);
  await child.exit;
  expect([child.stdout(), child.stderr()]).toEqual([sentence(), '']);
});
