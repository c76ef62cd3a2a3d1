/**
 * A TypeScript file of a user of the package. Each line under `@ts-expect-error` is wrong: if a type were published
 * as `any`, it would be right, and the compiler would report that.
 */
export const typedApp = `
import { createServer } from 'node:http';
import { ConfigError, createGateway, type ConfigInput, type Gateway } from 'coatcheck';
import { CoatcheckError, createClient, type Session } from 'coatcheck/client';

const config: ConfigInput = {
  baseUrl: 'https://app.example.com',
  provider: { type: 'oidc', issuer: 'https://login.example.com', clientId: 'web', clientSecret: 'secret' },
  session: { secrets: ['a-secret-Qy7nTf3WbK9xRd5ZmV2jHp8c'] },
  routes: [{ path: '/api', upstream: 'https://api.example.com' }],
};
const gateway: Gateway = createGateway(config);
createServer(gateway.app).on('checkContinue', gateway.app).on('upgrade', gateway.upgrade);
createServer(gateway.admin);
const closed: Promise<void> = gateway.close();
await closed;

export const problems = (error: unknown): string[] =>
  error instanceof ConfigError ? error.problems.map(({ path, message }) => path + message) : [];
export const session: Promise<Session> = createClient({ prefix: '/auth' }).session();
export const isOurs = (error: unknown): boolean => error instanceof CoatcheckError;

// @ts-expect-error
gateway.app.noSuchMember();
// @ts-expect-error
createGateway({ ...config, baseUrl: 1 });
// @ts-expect-error
createClient().noSuchMember();
`;

/** The same in an Express app: the one file that needs the types of Express, which its author has. */
export const typedExpressApp = `
import express from 'express';
import type { Gateway } from 'coatcheck';

export const mount = (gateway: Gateway) => express().use(gateway.app);

// @ts-expect-error
export const mountNothing = (gateway: Gateway) => express().use(gateway.noSuchMember);
`;

/**
 * A custom server with the gateway behind it, configured from the environment. It prints its address, and
 * on SIGUSR2 closes everything and leaves it to Node.js to end the process when nothing is left to do.
 */
export const ownServer = `
import { createServer } from 'node:http';
import express from 'express';
import { createGateway } from 'coatcheck';

const listen = async (server) => {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return 'http://127.0.0.1:' + server.address().port;
};
const { ISSUER: issuer, CLIENT_ID: clientId, CLIENT_SECRET: clientSecret, UPSTREAM: upstream } = process.env;
const server = createServer();
const admin = createServer();
const url = await listen(server);
const gateway = createGateway({
  baseUrl: url,
  provider: { type: 'oidc', issuer, clientId, clientSecret },
  session: { secrets: ['a-secret-Qy7nTf3WbK9xRd5ZmV2jHp8c'] },
  routes: [{ path: '/api', upstream, websocket: true }],
});
const app = express();
app.get('/own', (_request, response) => response.send('their own page'));
app.use(gateway.app);
server.on('request', app).on('checkContinue', app).on('upgrade', gateway.upgrade);
admin.on('request', gateway.admin);
console.log(JSON.stringify({ url, adminUrl: await listen(admin) }));

process.once('SIGUSR2', async () => {
  await gateway.close();
  for (const each of [server, admin]) {
    each.close();
    each.closeAllConnections();
  }
});
`;
