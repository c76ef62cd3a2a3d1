import { readFile, readdir, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startChildProcess } from '../../testkit/processes/child-process.ts';
import { startFakeProvider } from '../../testkit/fake-provider/fake-provider.ts';
import { freePort } from '../../testkit/network/free-port.ts';
import { readPage } from '../../testkit/project/markdown.ts';
import { startUpstream } from '../../testkit/upstream/upstream.ts';
import { createUserAgent } from '../../testkit/user-agent/user-agent.ts';
import { type InstalledPackage, installPackage } from './support/installed-package.ts';
import { ownServer, typedApp, typedExpressApp } from './support/consumers.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The package as somebody has installed it, with what it declares to need and the types of Node.js. */
let ours: InstalledPackage;

beforeAll(async () => {
  ours = await installPackage('coatcheck', root);
  const { dependencies } = JSON.parse(await readFile(join(ours.installed, 'package.json'), 'utf8'));
  for (const name of [...Object.keys(dependencies), '@types/node']) await ours.provide(name);
});

afterAll(() => ours.remove());

describe('the npm package', () => {
  it('contains only the runtime files, types, configuration files, README and licence', async () => {
    const { installed } = ours;
    const top = (await readdir(installed)).toSorted();
    expect(top).toEqual(['LICENSE', 'README.md', 'config', 'dist', 'package.json']);
    const files = await readdir(installed, { recursive: true });
    const examples = (await readdir(join(root, 'config/providers'))).map(
      (name) => `config/providers/${name}`,
    );
    expect(files.filter((name) => /^config\/.*\.\w+$/.test(name)).toSorted()).toEqual([
      'config/coatcheck.schema.json',
      'config/default.yaml',
      ...examples.toSorted(),
      'config/reference.yaml',
    ]);
    const strays = files.filter(
      (name) => name.startsWith('dist/') && !/\.(?:js|d\.ts)$|\/[a-z0-9-]+$/.test(name),
    );
    expect(strays).toEqual(['dist/admin/console.html']);
  });

  it('provides the coatcheck command', async () => {
    const manifest = JSON.parse(await readFile(join(ours.installed, 'package.json'), 'utf8'));
    const command = join(ours.installed, manifest.bin.coatcheck);
    expect(await readFile(command, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
    expect(await ours.run(process.execPath, [command, '--help'])).toContain(
      'a token gateway for single-page apps',
    );
  });

  describe('compiles with TypeScript and full types', () => {
    const compile = (source: string) =>
      ours.compile('app.ts', source, { module: 'nodenext', types: ['node'] });

    it('with @types/node as the only other types', async () => {
      expect(await compile(typedApp)).toBe('');
    });

    it('as part of an Express app', async () => {
      await ours.provide('@types/express');
      expect(await compile(typedExpressApp)).toBe('');
    });
  });

  it('runs as a gateway behind a custom server and leaves nothing open that keeps the process alive', async () => {
    const [provider, upstream] = await Promise.all([startFakeProvider(), startUpstream()]);
    await writeFile(join(ours.folder, 'server.js'), ownServer);
    const { id, secret } = provider.client;
    const server = startChildProcess(process.execPath, [join(ours.folder, 'server.js')], {
      env: { ISSUER: provider.issuer, CLIENT_ID: id, CLIENT_SECRET: secret, UPSTREAM: upstream.url },
    });
    const { url, adminUrl } = await server.waitForOutput(addressesIn);
    provider.client.redirectUris.push(`${url}/auth/callback`);

    const agent = createUserAgent(url);
    expect((await agent.fetch('/own')).text()).toBe('their own page');
    await agent.signIn('/own');
    const body = 'x'.repeat(100_000);
    expect((await agent.fetch('/api/one', { method: 'POST', body })).status).toBe(200);
    expect(upstream.requests).toMatchObject([{ target: '/api/one', bodyBytes: body.length }]);
    expect(provider.isAccessTokenActive(upstream.requests[0]?.bearer ?? '')).toBe(true);
    expect((await agent.fetch('/elsewhere')).json()).toMatchObject({ status: 404, code: 'not_found' });
    expect((await fetch(`${adminUrl}/readyz`)).status).toBe(200);
    const socket = await agent.websocket('/api/live');
    socket.send('hello');
    expect(await socket.next()).toBe('hello');

    server.signal('SIGUSR2');
    expect(await socket.closed).toMatchObject({ code: 1001 });
    expect(await server.exit).toEqual({ code: 0, signal: null });
    agent.close();
    await Promise.all([provider.close(), upstream.close()]);
  });
});

describe('the server of the documentation', () => {
  it.each(['docs/library.md'])('in %s runs, and stops on SIGTERM', async (page) => {
    const [provider, upstream, port, adminPort] = await Promise.all([
      startFakeProvider(),
      startUpstream(),
      freePort(),
      freePort(),
    ]);
    const url = `http://127.0.0.1:${port}`;
    const { id, secret } = provider.client;
    const { blocks } = readPage(await readFile(join(root, page), 'utf8'));
    const snippet = blocks.find(({ text }) => text.includes('server.listen(3000)'))?.text ?? '';
    const places = [
      ['https://app.example.com', url],
      ['https://login.example.com/realms/acme', provider.issuer],
      ["clientId: 'web'", `clientId: ${JSON.stringify(id)}`],
      ['redis://redis:6379/0', 'memory:'],
      ['https://api.internal:8443', upstream.url],
      ['.listen(3000', `.listen(${port}`],
      ['.listen(9464', `.listen(${adminPort}`],
    ] as const;
    const source = places.reduce((text, [theirs, mine]) => {
      expect(text).toContain(theirs);
      return text.replace(theirs, mine);
    }, stripTypeScriptTypes(snippet));
    await writeFile(join(ours.folder, 'snippet.js'), source);
    const env = { CLIENT_SECRET: secret, SESSION_SECRET: 'a-secret-Qy7nTf3WbK9xRd5ZmV2jHp8c' };
    const server = startChildProcess(process.execPath, [join(ours.folder, 'snippet.js')], { env });
    provider.client.redirectUris.push(`${url}/auth/callback`);
    const ready = () => fetch(`http://127.0.0.1:${adminPort}/readyz`).then(({ status }) => status, String);
    await expect.poll(ready).toBe(200);

    const agent = createUserAgent(url);
    await agent.signIn('/version');
    expect((await agent.fetch('/api/one')).status).toBe(200);
    agent.close();
    server.signal('SIGTERM');
    expect(await server.exit).toEqual({ code: 0, signal: null });
    await Promise.all([provider.close(), upstream.close()]);
  });
});

/** The line in which the custom server prints its address; the others are the gateway's log. */
function addressesIn(stdout: string): { url: string; adminUrl: string } | undefined {
  const line = stdout.split('\n').find((each) => each.includes('"adminUrl"'));
  return line === undefined ? undefined : JSON.parse(line);
}
