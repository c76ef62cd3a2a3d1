import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build, type Rolldown } from 'vite';
import { type InstalledPackage, installPackage } from '../support/installed-package.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

let ours: InstalledPackage;

beforeAll(async () => {
  ours = await installPackage('coatcheck-client', join(root, 'packages/client'));
});

afterAll(() => ours.remove());

/** Runs a program on a server, and returns what it prints. */
async function runOnServer(source: string): Promise<string> {
  const file = join(ours.folder, 'server.js');
  await writeFile(file, source);
  return ours.run(process.execPath, [file]);
}

/** Bundles and minifies a module, as an app does. */
async function bundle(source: string): Promise<string> {
  const entry = join(ours.folder, 'entry.js');
  await writeFile(entry, source);
  const { output } = (await build({
    root: ours.folder,
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      rolldownOptions: {
        input: entry,
        preserveEntrySignatures: 'strict',
        output: { format: 'es', minify: true },
      },
    },
  })) as Rolldown.RolldownOutput;
  return output.map((chunk) => (chunk.type === 'chunk' ? chunk.code : '')).join('');
}

describe('the npm package coatcheck-client', () => {
  it('contains only modules, types, README and licence, and has no dependency', async () => {
    expect((await readdir(ours.installed)).toSorted()).toEqual([
      'LICENSE',
      'README.md',
      'dist',
      'package.json',
    ]);
    const files = await readdir(join(ours.installed, 'dist'));
    expect(files.filter((name) => !/\.(?:js|d\.ts)$/.test(name))).toEqual([]);
    const manifest = JSON.parse(await readFile(join(ours.installed, 'package.json'), 'utf8'));
    expect(manifest.dependencies).toBeUndefined();
    expect(manifest.peerDependenciesMeta).toEqual({ react: { optional: true } });
    const own = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    expect(manifest).toMatchObject({ version: own.version, license: own.license });
    expect(await readFile(join(ours.installed, 'LICENSE'), 'utf8')).toBe(
      await readFile(join(root, 'LICENSE'), 'utf8'),
    );
  });

  it('is the same code as coatcheck/client', async () => {
    const files = (await readdir(join(root, 'dist/client'))).toSorted();
    const contained = (await readdir(join(ours.installed, 'dist'))).toSorted();
    expect(contained.filter((name) => !name.startsWith('react.'))).toEqual(files);
    for (const file of files)
      expect(await readFile(join(ours.installed, 'dist', file), 'utf8')).toBe(
        await readFile(join(root, 'dist/client', file), 'utf8'),
      );
  });

  it('takes less than 2 kB in an app, minified and compressed', async () => {
    const code = await bundle(`export * from 'coatcheck-client';`);
    expect(code).not.toMatch(/\bfrom\s*["']|\n\s*\n/);
    expect(gzipSync(code).length).toBeLessThan(2000);
  });

  it('is imported and creates a client on a server without a document, and keeps no process alive', async () => {
    const printed = await runOnServer(
      `import { createClient } from 'coatcheck-client';
       createClient().onSessionEnded(() => {});
       console.log('created');`,
    );
    expect(printed).toBe('created\n');
  });

  it('renders the React bindings on a server', async () => {
    for (const name of ['react', 'react-dom']) await ours.provide(name);
    const printed = await runOnServer(
      `import { createClient } from 'coatcheck-client';
       import { SessionProvider, useGatewayFetch, useSession } from 'coatcheck-client/react';
       import { createElement } from 'react';
       import { renderToString } from 'react-dom/server';
       const Page = () => (useGatewayFetch(), useSession().status);
       console.log(renderToString(createElement(SessionProvider, { client: createClient() }, createElement(Page))));`,
    );
    expect(printed).toBe('loading\n');
    expect(await readFile(join(ours.installed, 'dist/react.js'), 'utf8')).toMatch(/^'use client';/);
  });

  it('compiles with TypeScript and full types', async () => {
    await ours.provide('@types/react');
    const options = { module: 'esnext', moduleResolution: 'bundler', jsx: 'react-jsx', types: [] };
    expect(await ours.compile('app.tsx', typedApp, options)).toBe('');
  });
});

/** Each line under `@ts-expect-error` is wrong: where a type came out as `any`, the compiler would complain of it. */
const typedApp = `
import { createClient, type SessionEnded } from 'coatcheck-client';
import { SessionProvider, useGatewayFetch, useSession } from 'coatcheck-client/react';

type Claims = { name: string };
const gateway = createClient<Claims>({ prefix: '/bff' });
gateway.onSessionEnded((reason: SessionEnded) => console.log(reason));
gateway.onStepUpRequired(({ loginUrl }) => gateway.login({ loginUrl }));

export function Page() {
  const session = useSession<Claims>();
  const call = useGatewayFetch();
  if (session.status !== 'signed-in') return null;
  // @ts-expect-error
  session.session.claims.age;
  return <button onClick={() => void call('/api/items')}>{session.session.claims.name}</button>;
}
export const app = <SessionProvider client={gateway}><Page /></SessionProvider>;

// @ts-expect-error
gateway.noSuchMember();
// @ts-expect-error
<SessionProvider />;
`;
