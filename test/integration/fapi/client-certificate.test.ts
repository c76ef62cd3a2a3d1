import { describe, expect, it } from 'vitest';
import type { Identity } from '../../../testkit/network/certificate-authority.ts';
import type { UserAgent } from '../../../testkit/user-agent/user-agent.ts';
import { jwkOfCertificate } from '../../../testkit/providers/client-certificates.ts';
import { authority, LIFE, openFapi, tlsSection } from './fixture.ts';

const own = authority.issue();
const other = authority.issue();

const byAuthority = {
  token_endpoint_auth_method: 'tls_client_auth',
  tls_client_auth_subject_dn: 'CN=client',
  tls_client_certificate_bound_access_tokens: true,
} as const;
const bySelf = {
  token_endpoint_auth_method: 'self_signed_tls_client_auth',
  jwks: { keys: [jwkOfCertificate(own.cert)] },
  tls_client_certificate_bound_access_tokens: true,
} as const;

const section = (method: string, identity = own) => ({
  clientAuthentication: method,
  tls: tlsSection(identity),
});

describe('client authentication by a certificate (standards: H5)', () => {
  it.each([
    ['tls_client_auth', byAuthority],
    ['self_signed_tls_client_auth', bySelf],
  ] as const)(
    'by %s at the aliases, with tokens that are bound to the certificate',
    async (method, client) => {
      const { agent, advance, signIn, fake, paths } = await openFapi({
        client,
        provider: { ...section(method), userinfo: 'login' },
        options: { secure: { authority } },
        toApi: own,
      });
      await signIn();
      expect((await agent.fetch('/bound/one')).status).toBe(200);
      advance(LIFE);
      expect((await agent.fetch('/bound/one')).status).toBe(200);
      expect(fake.tokenCalls({ grant: 'refresh_token' })).toBe(1);
      expect((await agent.fetch('/auth/logout', { method: 'POST' })).status).toBe(200);
      expect(fake.tokenLedger().map(({ familyAlive }) => familyAlive)).toEqual([false, false]);
      const calls = ['TLS /request', 'TLS /token', 'TLS /me', 'TLS /token', 'TLS /token/revocation'];
      expect(paths.filter((path) => /\/(?:request|token.*|me)$/.test(path))).toEqual(calls);
    },
  );

  it('at the endpoints of an issuer that serves TLS itself', async () => {
    const { agent, signIn, paths } = await openFapi({
      client: byAuthority,
      provider: section('tls_client_auth'),
      options: { secure: { authority, issuer: true } },
      toApi: own,
    });
    await signIn();
    expect((await agent.fetch('/bound/one')).status).toBe(200);
    expect(paths.every((path) => path.startsWith('TLS '))).toBe(true);
  });

  it('fails with another certificate than the registered one', async () => {
    const { agent } = await openFapi({
      client: bySelf,
      provider: section('self_signed_tls_client_auth', other),
      options: { secure: { authority } },
    });
    expect((await agent.get('/auth/login')).json()).toMatchObject({ status: 400, code: 'login_failed' });
  });

  it('uses the new certificate after a reload', async () => {
    const { agent, signIn, gateway } = await openFapi({
      client: bySelf,
      provider: section('self_signed_tls_client_auth', other),
      options: { secure: { authority } },
      toApi: own,
    });
    await gateway.reload({ provider: { tls: tlsSection(own) } });
    await signIn();
    expect((await agent.fetch('/bound/one')).status).toBe(200);
  });

  it('leaves a bound token useless for an API that is shown another certificate', async () => {
    const { agent, signIn } = await openFapi({
      client: byAuthority,
      provider: section('tls_client_auth'),
      options: { secure: { authority } },
      toApi: other,
    });
    await signIn();
    expect((await agent.fetch('/bound/one')).status).toBe(401);
  });
});

describe('a WebSocket with a token that is bound to a certificate (standards: H5)', () => {
  const openBound = ({ toApi }: { toApi: Identity }) =>
    openFapi({
      client: bySelf,
      provider: section('self_signed_tls_client_auth'),
      options: { secure: { authority } },
      toApi,
    });
  const echo = async (agent: UserAgent) => {
    const socket = await agent.websocket('/bound/socket');
    socket.send('hello');
    const message = await socket.next();
    socket.close();
    return message;
  };

  it('opens, also with the token of a refresh', async () => {
    const { agent, advance, signIn, fake } = await openBound({ toApi: own });
    await signIn();
    expect(await echo(agent)).toBe('hello');
    advance(LIFE);
    expect(await echo(agent)).toBe('hello');
    expect(fake.tokenCalls({ grant: 'refresh_token' })).toBe(1);
  });

  it('is rejected by an API that is shown another certificate', async () => {
    const { agent, signIn } = await openBound({ toApi: other });
    await signIn();
    await expect(echo(agent)).rejects.toMatchObject({ status: 401 });
  });

  it('opens with the certificate that a reload brings', async () => {
    const { agent, signIn, gateway, api } = await openBound({ toApi: other });
    await signIn();
    await expect(echo(agent)).rejects.toMatchObject({ status: 401 });
    const route = { path: '/bound', upstream: api.url, tls: tlsSection(own), websocket: true };
    await gateway.reload({ routes: [route] });
    expect(await echo(agent)).toBe('hello');
  });
});
