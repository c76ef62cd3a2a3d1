import { parseArgs } from 'node:util';
import { startOpenIdProvider } from './openid-provider.ts';

const usage = `usage: npm run provider [-- --port N] [-- --app URL] [-- --audience URI]

Starts an OpenID provider on this machine, for the development of an app behind the gateway. It asks for no password, so
never put it in front of real data. Its keys and sign-ins are in memory.

  --port N         its port; default: 9000
  --app URL        the baseUrl of the gateway; default: http://localhost:3000
  --audience URI   the API that access tokens are for; default: http://127.0.0.1:8080
  --help           print this text`;

const client = { clientId: 'web-dev', clientSecret: 'development-only' };

const options = {
  port: { type: 'string', default: '9000' },
  app: { type: 'string', default: 'http://localhost:3000' },
  audience: { type: 'string', default: 'http://127.0.0.1:8080' },
  help: { type: 'boolean', short: 'h' },
} as const;

try {
  const { values } = parseArgs({ options });
  if (values.help) console.log(usage);
  else await start(values);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

async function start({ port, app, audience }: Record<'port' | 'app' | 'audience', string>): Promise<void> {
  if (!/^\d+$/.test(port) || Number(port) > 65_535)
    throw new Error(`--port: expected a number from 0 to 65535, got "${port}"`);
  if (!URL.canParse(app)) throw new Error(`--app: expected the baseUrl of the gateway, got "${app}"`);
  const appUrl = new URL(app).origin;
  const provider = await startOpenIdProvider({
    ...client,
    appUrl,
    audience,
    accessTokenTtl: 300,
    port: Number(port),
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(0));
  console.log(`
  An OpenID provider for ${appUrl} is running. In the gateway's configuration:

    provider:
      type: oidc
      issuer: ${provider.url}
      clientId: ${client.clientId}
      clientSecret: ${client.clientSecret}

  Sign in as Ada, as Grace or by any other name; there is no password. Ctrl-C stops it.
`);
}
