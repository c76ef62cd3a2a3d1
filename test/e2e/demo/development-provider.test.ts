import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../../testkit/network/free-port.ts';
import { startChildProcess } from '../../../testkit/processes/child-process.ts';
import { startProgram } from '../../../testkit/processes/program.ts';
import { readPage } from '../../../testkit/project/markdown.ts';
import { startUpstream } from '../../../testkit/upstream/upstream.ts';
import { createUserAgent } from '../../../testkit/user-agent/user-agent.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Starts the provider as `npm run provider` does, and returns the configuration that it prints. */
async function startProvider(app: string, audience: string) {
  const args = ['--port', String(await freePort()), '--app', app, '--audience', audience];
  const child = startChildProcess(process.execPath, ['demo/provider/main.ts', ...args], { cwd: root });
  onTestFinished(async () => void (await child.terminate(0)));
  await child.waitForOutput((text) => (text.includes('Ctrl-C') ? text : undefined));
  const [, section = ''] = /^ {4}provider:\n(.*?)\n\n/ms.exec(child.stdout()) ?? [];
  return Object.fromEntries(section.split('\n').map((line) => line.trim().split(': ')));
}

describe('the provider for development', () => {
  it('signs a user in through the gateway of docs/get-started.md, with a token for the API', async () => {
    const upstream = await startUpstream();
    onTestFinished(() => upstream.close());
    const port = await freePort();
    const url = `http://localhost:${port}`;
    const provider = await startProvider(url, upstream.url);

    const { blocks } = readPage(await readFile(`${root}/docs/get-started.md`, 'utf8'));
    const example = blocks.find(({ text }) => text.startsWith('# coatcheck.yaml\n'))?.text ?? '';
    const places = [
      ['http://localhost:3000', url],
      ['127.0.0.1:3000', `127.0.0.1:${port}`],
      ['https://login.example.com/realms/acme', provider['issuer']],
      ['http://127.0.0.1:8080', upstream.url],
    ] as const;
    const yaml = places.reduce((text, [theirs, mine]) => {
      expect(text).toContain(theirs);
      return text.replace(theirs, mine);
    }, `${example}\nadmin: { listen: '127.0.0.1:0' }\n`);
    expect(example).toContain(`clientId: ${provider['clientId']}`);
    const gateway = await startProgram({
      yaml,
      env: { CLIENT_SECRET: provider['clientSecret'], SESSION_SECRET: 'a-secret-Qy7nTf3WbK9xRd5ZmV2jHp8c' },
    });
    onTestFinished(() => gateway.close());

    const agent = createUserAgent(url, { connect: { host: '127.0.0.1', port } });
    onTestFinished(() => agent.close());
    const { chain } = await agent.navigate('/auth/login', { from: 'page' });
    const page = chain.at(-1);
    expect(page?.text()).toContain('Who is signing in?');
    // As the form on the provider's own page.
    await agent.navigate(page?.url ?? '', { form: { sub: 'ada' } });
    expect((await agent.fetch('/auth/session')).json()).toMatchObject({
      authenticated: true,
      claims: { name: 'Ada Lovelace' },
    });
    expect((await agent.fetch('/api/items')).status).toBe(200);
    const [, payload = ''] = upstream.requests.at(-1)?.bearer?.split('.') ?? [];
    expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toMatchObject({
      aud: upstream.url,
      sub: 'ada',
    });
  });
});
