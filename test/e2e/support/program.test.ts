import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeProvider, startFakeProvider } from '../../../testkit/fake-provider/fake-provider.ts';
import { listenOnLoopback } from '../../../testkit/network/loopback-server.ts';
import { runProgram, startProgram } from '../../../testkit/processes/program.ts';
import { type Upstream, startUpstream } from '../../../testkit/upstream/upstream.ts';
import { createUserAgent } from '../../../testkit/user-agent/user-agent.ts';

let provider: FakeProvider;
let upstream: Upstream;

beforeEach(async () => {
  [provider, upstream] = await Promise.all([startFakeProvider(), startUpstream()]);
});

afterEach(async () => {
  await Promise.all([provider.close(), upstream.close()]);
});

describe('the test helper that starts the program', () => {
  it('serves a user on its own ports and stops cleanly on SIGTERM', async () => {
    const program = await startProgram({ provider, upstream });
    const agent = createUserAgent(program.url);
    await agent.signIn('/');
    expect((await agent.fetch('/api/one')).status).toBe(200);
    expect((await fetch(`${program.adminUrl}/livez`)).status).toBe(200);
    agent.close();
    program.signal('SIGTERM');
    expect(await program.exit).toEqual({ code: 0, signal: null });
    expect(program.stdout()).toContain('"gateway listening"');
  });

  it('ends a program that is suspended', async () => {
    const program = await startProgram({ provider, upstream });
    program.signal('SIGSTOP');
    await program.close();
    expect(await program.exit).toMatchObject({ code: 0 });
  });

  it('starts the program with a configuration given as text and the port in the environment', async () => {
    const program = await startProgram({
      yaml: `
        baseUrl: http://127.0.0.1:\${PORT}
        listen: 127.0.0.1:\${PORT}
        admin: { listen: 127.0.0.1:0 }
        provider: { type: oidc, issuer: "${provider.issuer}", clientId: web, clientSecret: "\${CLIENT_SECRET}" }
        session: { secrets: [a-secret-Qy7nTf3WbK9xRd5ZmV2jHp8c] }
      `,
      env: { CLIENT_SECRET: provider.client.secret },
    });
    expect(program.url).toBe(`http://127.0.0.1:${program.port}`);
    await program.close();
  });

  it('rejects with the output when the program ends before it listens', async () => {
    const taken = await listenOnLoopback(createServer());
    const start = startProgram({
      provider,
      upstream,
      config: { admin: { listen: `127.0.0.1:${taken.port}` } },
    });
    await expect(start).rejects.toThrow(/ended early \(1\)[^]*EADDRINUSE/);
    await taken.stop();
  });

  it('returns the exit code and the output for an invalid configuration', async () => {
    const { code, stdout, stderr } = await runProgram('baseUrl: nowhere');
    expect(code).toBe(78);
    expect(`${stdout}${stderr}`).toContain('baseUrl');
  });
});
