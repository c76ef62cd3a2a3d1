import { createServer } from 'node:http';
import express from 'express';
import { createPeople } from './people.ts';
import type { DemoProvider, DemoProviderOptions } from './providers.ts';
import { listen } from './server.ts';
import { createFakeTokenIssuer, type TokenPair } from './fake-token-issuer.ts';

/** The password of all people. */
const PASSWORD = 'coat check';

/**
 * Starts a vendor's login and refresh endpoints: JSON with vendor-specific names, both the lifetime and the expiry of a
 * token, and single-use refresh tokens.
 */
export async function startVendorApi({
  audience,
  accessTokenTtl,
}: DemoProviderOptions): Promise<DemoProvider> {
  const app = express().disable('x-powered-by');
  const running = await listen(createServer(app));
  const people = createPeople();
  const tokenIssuer = await createFakeTokenIssuer({
    issuer: running.url,
    audience,
    lifetime: accessTokenTtl,
  });

  const toResponse = ({ accessToken, refreshToken, lifetime, subject }: TokenPair) => ({
    token: accessToken,
    tokenLifetime: lifetime,
    tokenExpiration: new Date(Date.now() + lifetime * 1000).toISOString(),
    refreshToken,
    refreshTokenExpiration: new Date(Date.now() + 3_600_000).toISOString(),
    user: { id: subject },
  });

  app.use(express.json());
  app.post('/auth/login', async (req, res) => {
    const { username, password } = req.body ?? {};
    const person = typeof username === 'string' ? people.find(username.toLowerCase()) : undefined;
    if (person === undefined || password !== PASSWORD) {
      res.status(401).json({ message: 'wrong user name or password' });
      return;
    }
    res.json(toResponse(await tokenIssuer.open(person.sub)));
  });
  app.post('/auth/refresh', async (req, res) => {
    const pair = await tokenIssuer.spend(String(req.body?.refreshToken));
    if (pair === undefined) res.status(401).json({ message: 'the refresh token is not valid' });
    else res.json(toResponse(pair));
  });
  app.get('/jwks', (_req, res) => void res.json(tokenIssuer.keys));

  return {
    ...running,
    section: {
      type: 'credentials',
      login: {
        url: `${running.url}/auth/login`,
        body: { username: '{username}', password: '{password}' },
      },
      refresh: { url: `${running.url}/auth/refresh`, body: { refreshToken: '{refreshToken}' } },
      response: {
        accessToken: '/token',
        refreshToken: '/refreshToken',
        expiresIn: '/tokenLifetime',
        expiresAt: '/tokenExpiration',
        refreshExpiresAt: '/refreshTokenExpiration',
        subject: '/user/id',
      },
    },
    signIn: { by: 'password', username: 'ada', password: PASSWORD },
    advice: `Sign in as ada or grace; the password is "${PASSWORD}".`,
  };
}
