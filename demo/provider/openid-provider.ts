import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import express from 'express';
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose';
import type { Configuration, JWK, KoaContextWithOIDC, Provider as OidcProvider } from 'oidc-provider';
import { listenOnLoopback } from '../../testkit/network/loopback-server.ts';
import { errors, Provider } from '../../testkit/providers/oidc-provider.ts';
import { createOidcRecords } from '../../testkit/providers/oidc-records.ts';
import { createDevice, type Device } from './device.ts';
import { messagePage, loginPage, logoutPage, type Page } from './pages.ts';
import { createPeople, type People } from './people.ts';
import type { DemoProvider, DemoProviderOptions } from './demo-provider.ts';

/**
 * Starts an OpenID provider that is strict where it matters to a gateway: PKCE and client authentication are
 * required, access tokens are JWTs (RFC 9068) for one API, and a refresh token works once. Presenting a used one
 * ends the whole grant, every token of it included (RFC 9700, section 4.14.2). With `decoupled`, people sign in on another
 * device as well (OpenID CIBA, poll mode).
 */
export async function startOpenIdProvider(
  options: DemoProviderOptions,
  login: 'redirect' | 'decoupled' = 'redirect',
): Promise<DemoProvider> {
  const app = express().disable('x-powered-by');
  const { port, stop } = await listenOnLoopback(createServer(app), options.port);
  const running = { url: `http://127.0.0.1:${port}`, close: () => void stop() };
  const people = createPeople();
  const device = createDevice(async (id, isApproved) => {
    const request = await provider.BackchannelAuthenticationRequest.find(id);
    if (request === undefined) return;
    const grant = isApproved
      ? await grantAll(provider, options, request.accountId ?? '')
      : new errors.AccessDenied();
    await provider.backchannelResult(request, grant);
  });
  const provider = new Provider(running.url, await configure(options, people, device));

  provider.on('server_error', (_ctx, error) => console.error('The demo provider failed:', error));

  app.get('/interaction/:uid', async (req, res) => {
    const { params } = await provider.interactionDetails(req, res);
    const hint = typeof params.login_hint === 'string' ? params.login_hint : '';
    send(res, loginPage(people.offered, hint, 'cancellable'));
  });

  app.post('/interaction/:uid', express.urlencoded({ extended: false }), async (req, res) => {
    if (req.body?.cancel) return provider.interactionFinished(req, res, { error: 'access_denied' });
    const person = whoSignsIn(people, req.body ?? {});
    if (person === undefined) return res.redirect(303, req.path);
    return provider.interactionFinished(req, res, { login: { accountId: person.sub } });
  });

  app.use(device.routes);
  app.use(provider.callback());

  const explain: express.ErrorRequestHandler = (error, _req, res, _next) => {
    const expired = error instanceof errors.SessionNotFound;
    const reason = expired ? 'This sign-in has expired.' : 'The sign-in page failed.';
    send(res.status(expired ? 400 : 500), messagePage(reason, options.appUrl));
  };
  app.use(explain);

  if (login === 'redirect')
    return {
      ...running,
      signIn: { by: 'redirect', isOpenId: true },
      advice: 'Sign in as Ada or Grace; there is no password.',
    };
  const url = `${running.url}/device`;
  return {
    ...running,
    section: {
      type: 'oidc',
      issuer: running.url,
      login: 'decoupled',
      clientId: '${CLIENT_ID}',
      clientSecret: '${CLIENT_SECRET}',
      scopes: ['openid', 'profile', 'email', 'offline_access', 'items'],
    },
    signIn: { by: 'device', url },
    advice: `Sign in as ada or grace, and approve on the other device: ${url}`,
  };
}

async function configure(
  options: DemoProviderOptions,
  people: People,
  device: Device,
): Promise<Configuration> {
  return {
    adapter: createOidcRecords(),
    jwks: { keys: [await createSigningKey()] },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    clients: [
      {
        client_id: options.clientId,
        client_secret: options.clientSecret,
        token_endpoint_auth_method: 'client_secret_basic',
        grant_types: ['authorization_code', 'refresh_token', 'urn:openid:params:grant-type:ciba'],
        backchannel_token_delivery_mode: 'poll',
        redirect_uris: [`${options.appUrl}/auth/callback`],
        post_logout_redirect_uris: [`${options.appUrl}/`],
      },
    ],
    clientAuthMethods: ['client_secret_basic'],
    responseTypes: ['code'],
    pkce: { required: () => true },
    rotateRefreshToken: true,
    // Somebody else who signs in for a step-up does not end the tokens of the first person.
    expiresWithSession: () => false,
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    scopes: ['openid', 'offline_access'],
    claims: { openid: ['sub'], profile: ['name'], email: ['email'] },
    // The access token is for the API, so the ID token is the only place left for the person's claims.
    conformIdTokenClaims: false,
    extraTokenClaims: ({ oidc: { entities } }) => {
      const authTime = (entities.AuthorizationCode ?? entities.RefreshToken)?.authTime;
      return authTime === undefined ? undefined : { auth_time: authTime };
    },
    clientBasedCORS: () => false,
    ttl: {
      AccessToken: options.accessTokenTtl,
      AuthorizationCode: 60,
      IdToken: 3600,
      RefreshToken: 3600,
      Interaction: 3600,
      Session: 86_400,
      Grant: 86_400,
      BackchannelAuthenticationRequest: 120,
    },
    findAccount(_ctx, sub) {
      const person = people.find(sub);
      return person && { accountId: sub, claims: () => ({ ...person }) };
    },
    // Consent is granted without asking, and to each sign-in its own grant, so that ending one session
    // (which revokes its grant) leaves the others of the same person alone.
    async loadExistingGrant({ oidc }) {
      const { account, client } = oidc;
      if (!account || !client) return undefined;
      return grantAll(oidc.provider, options, account.accountId);
    },
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      ciba: {
        enabled: true,
        deliveryModes: ['poll'],
        processLoginHint: async (_ctx, hint = '') => people.find(hint.toLowerCase())?.sub,
        validateBindingMessage: async () => undefined,
        validateRequestContext: async () => undefined,
        verifyUserCode: async () => undefined,
        async triggerAuthenticationDevice(_ctx, { jti, params }, account) {
          const name = people.find(account?.accountId ?? '')?.name ?? '';
          const { binding_message: bindingMessage } = params ?? {};
          device.ask({
            id: jti,
            name,
            bindingMessage: typeof bindingMessage === 'string' ? bindingMessage : undefined,
          });
        },
      },
      revocation: {
        enabled: true,
        allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId,
      },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx, form) => render(ctx, logoutPage(form)),
        postLogoutSuccessSource: (ctx) => render(ctx, messagePage('You are signed out.', options.appUrl)),
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => options.audience,
        useGrantedResource: () => true,
        getResourceServerInfo(_ctx, resource) {
          if (resource !== options.audience) throw new errors.InvalidTarget();
          return { scope: API_SCOPE, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } };
        },
      },
    },
    renderError: (ctx, out) => render(ctx, messagePage(out.error_description ?? out.error, options.appUrl)),
  };
}

const API_SCOPE = 'items';

/** Grants every scope to a sign-in. */
async function grantAll(
  provider: OidcProvider,
  { clientId, audience }: DemoProviderOptions,
  accountId: string,
) {
  const grant = new provider.Grant({ accountId, clientId });
  grant.addOIDCScope('openid profile email offline_access');
  grant.addResourceScope(audience, API_SCOPE);
  await grant.save();
  return grant;
}

async function createSigningKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const jwk = await exportJWK(privateKey);
  return { ...jwk, alg: 'RS256', use: 'sig', kid: await calculateJwkThumbprint(jwk) };
}

function whoSignsIn(people: People, form: { sub?: unknown; name?: unknown }) {
  if (typeof form.sub === 'string') return people.find(form.sub);
  const name = typeof form.name === 'string' ? form.name.trim().slice(0, 60) : '';
  return name === '' ? undefined : people.named(name);
}

function send(res: express.Response, page: Page): void {
  res.set(page.headers).send(page.html);
}

function render(ctx: KoaContextWithOIDC, page: Page): void {
  ctx.set(page.headers);
  ctx.type = 'html';
  ctx.body = page.html;
}
