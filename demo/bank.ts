import { createHash, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import express from 'express';
import { loginPage } from './pages.ts';
import { createPeople } from './people.ts';
import type { DemoProvider, DemoProviderOptions } from './providers.ts';
import { listen } from './server.ts';
import { createFakeTokenIssuer, type TokenPair } from './fake-token-issuer.ts';

/**
 * Starts a bank's API: OAuth 2.0 in JSON, without discovery or ID tokens; `token_type` in capitals, and refresh tokens
 * that work once.
 */
export async function startBank(options: DemoProviderOptions): Promise<DemoProvider> {
  const { appUrl, clientId, clientSecret, audience, accessTokenTtl } = options;
  const app = express().disable('x-powered-by');
  const running = await listen(createServer(app));
  const people = createPeople();
  const tokenIssuer = await createFakeTokenIssuer({
    issuer: running.url,
    audience,
    lifetime: accessTokenTtl,
  });
  const codes = new Map<string, { subject: string; challenge: string }>();
  const credentials = `Basic ${Buffer.from(`${clientId}:${encode(clientSecret)}`).toString('base64')}`;

  const toResponse = ({ accessToken, refreshToken, lifetime }: TokenPair) => ({
    token_type: 'BEARER',
    access_token: accessToken,
    expires_in: lifetime,
    refresh_token: refreshToken,
  });
  const authenticate: express.RequestHandler = (req, res, next) => {
    if (req.headers.authorization === credentials) return next();
    return void res.status(401).json({ error: 'invalid_client' });
  };

  app.get('/v3/authorize', (req, res) => {
    const page = loginPage(people.offered, queryOf(req).get('login_hint') ?? '');
    res.set(page.headers).send(page.html);
  });
  app.post('/v3/authorize', express.urlencoded({ extended: false }), (req, res) => {
    const person = people.find(String(req.body?.sub)) ?? people.named(String(req.body?.name ?? 'Somebody'));
    const code = randomUUID();
    const query = queryOf(req);
    codes.set(code, { subject: person.sub, challenge: query.get('code_challenge') ?? '' });
    const state = query.get('state') ?? '';
    res.redirect(303, `${appUrl}/auth/callback?${new URLSearchParams({ code, state })}`);
  });
  app.post('/v3/authorize/token', authenticate, express.json(), async (req, res) => {
    const { grant_type: grant, code, code_verifier: verifier, refresh_token: refreshToken } = req.body ?? {};
    const found = codes.get(String(code));
    codes.delete(String(code));
    const challenge = createHash('sha256').update(String(verifier)).digest('base64url');
    const isProven = grant === 'authorization_code' && found?.challenge === challenge;
    const pair = isProven
      ? await tokenIssuer.open(found.subject)
      : await tokenIssuer.spend(String(refreshToken));
    if (pair === undefined) res.status(400).json({ error: 'invalid_grant' });
    else res.json(toResponse(pair));
  });
  app.post('/v3/authorize/revoke', authenticate, express.json(), (req, res) => {
    tokenIssuer.revoke(String(req.body?.token));
    res.end();
  });
  app.get('/v3/customer', (req, res) => {
    const person = people.find(
      tokenIssuer.subjectOf(String(req.headers.authorization).slice('Bearer '.length)) ?? '',
    );
    if (person === undefined) res.status(401).json({ error: 'invalid_token' });
    else res.json({ customer: { id: person.sub }, name: person.name });
  });
  app.get('/jwks', (_req, res) => void res.json(tokenIssuer.keys));

  return {
    ...running,
    section: {
      type: 'oauth2',
      authorizationEndpoint: `${running.url}/v3/authorize`,
      tokenEndpoint: `${running.url}/v3/authorize/token`,
      revocationEndpoint: `${running.url}/v3/authorize/revoke`,
      userinfoEndpoint: `${running.url}/v3/customer`,
      subject: '/customer/id',
      requestFormat: 'json',
      clientId: '${CLIENT_ID}',
      clientSecret: '${CLIENT_SECRET}',
      scopes: ['items'],
    },
    signIn: { by: 'redirect' },
    advice: 'Sign in at the bank as Ada or Grace; there is no password.',
  };
}

function queryOf({ url }: express.Request): URLSearchParams {
  return new URL(url, 'http://bank.invalid').searchParams;
}

/** Both parts of HTTP Basic are form-encoded (RFC 6749, section 2.3.1), which changes a dash and an underscore here. */
function encode(text: string): string {
  return text.replaceAll('-', '%2D').replaceAll('_', '%5F');
}
