import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { startSecureProvider } from '../../../testkit/fake-provider/secure-provider.ts';
import { SESSION_SECRET } from '../../../testkit/gateway/gateway-config.ts';
import { createCertificateAuthority } from '../../../testkit/network/certificate-authority.ts';
import { startConnectProxy } from '../../../testkit/network/connect-proxy.ts';
import { runProgram } from '../../../testkit/processes/program.ts';

const HOST = 'login.example.test';
const CREDENTIALS = 'gateway:canary-proxy-password';

it('--check reaches the provider through HTTPS_PROXY with a private CA, and shows no credentials', async () => {
  const authority = createCertificateAuthority();
  const directory = await mkdtemp(join(tmpdir(), 'coatcheck-ca-'));
  const ca = join(directory, 'ca.pem');
  await writeFile(ca, authority.certificate);
  const secure = await startSecureProvider(authority.issue(HOST), HOST);
  const proxy = await startConnectProxy({ hosts: { [HOST]: secure.port }, credentials: CREDENTIALS });
  onTestFinished(async () => {
    await Promise.all([secure.close(), proxy.stop(), rm(directory, { recursive: true })]);
  });
  const yaml = JSON.stringify({
    baseUrl: 'https://app.example.com',
    provider: {
      ...secure.provider.register('https://app.example.com'),
      issuer: secure.issuer,
      tls: { ca: '${file:' + ca + '}' },
    },
    session: { secrets: [SESSION_SECRET] },
  });
  const env = { HTTPS_PROXY: `http://${CREDENTIALS}@127.0.0.1:${proxy.port}` };
  const checked = await runProgram(yaml, { args: ['--check'], env });
  expect(checked.stdout).toContain(`HTTPS_PROXY 127.0.0.1:${proxy.port}`);
  expect(checked.stdout).toContain(`${secure.issuer}, from OpenID discovery`);
  expect(checked.code).toBe(0);
  expect(proxy.requests.map(({ status }) => status)).toContain(200);

  const exempt = await runProgram(yaml, { args: ['--check'], env: { ...env, NO_PROXY: '.example.test' } });
  expect(exempt.code).toBe(1);
  expect(exempt.stdout).toMatch(/ENOTFOUND|EAI_AGAIN/);
});
