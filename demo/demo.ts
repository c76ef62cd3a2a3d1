import { randomBytes } from 'node:crypto';
import { startApi } from './api/api.ts';
import { DemoError } from './demo-error.ts';
import { startGateway } from './gateway.ts';
import type { LogLine } from './log-line.ts';
import { gatherPageFiles, isBuilt } from './page-files.ts';
import { choosePort } from './port.ts';
import { writeConfigFile } from './config-file.ts';
import { type ProviderName, providers } from './provider/providers.ts';

/** The choices from the command line. */
export interface DemoOptions {
  /** The project's directory. */
  root: string;
  /** The gateway's port; by default 3000 or any free one. 0 means any free one. */
  port: number | undefined;
  /** The kind of token server; an OpenID provider by default. */
  provider?: ProviderName;
  /** Called with every line of the gateway's log. */
  onLog: (line: LogLine) => void;
}

/** The whole demo, running. */
export interface Demo {
  /** The one address to open. */
  url: string;
  /** Instructions for the sign-in, in one sentence. */
  advice: string;
  /** The URL of the admin console. */
  adminUrl: string;
  /** The token that the console asks for. */
  adminToken: string;
  /** Whether the page can ask the provider for a fresh sign-in. */
  hasStepUp: boolean;
  /** Resolves with the exit of the gateway. */
  ended: Promise<string>;
  /** Stops everything and removes the temporary files. */
  stop(): Promise<void>;
}

/**
 * Starts the provider, the API and the gateway. Throws {@link DemoError} when one of them cannot run.
 *
 * The page is on `localhost` and the provider on `127.0.0.1`: two sites to a browser, as in production, and with
 * separate cookies, which different ports alone would share.
 */
export async function startDemo({
  root,
  port: wanted,
  provider: name = 'oidc',
  onLog,
}: DemoOptions): Promise<Demo> {
  if (!isBuilt(root))
    throw new DemoError('The gateway is not built. Start the demo with `npm run demo`, which builds it.');
  const port = await choosePort(wanted);
  const url = `http://localhost:${port}`;
  const client = { clientId: 'demo', clientSecret: randomBytes(32).toString('base64url') };
  const adminToken = randomBytes(24).toString('base64url');
  const audience = 'urn:coatcheck:demo:api';

  const provider = await providers[name]({ ...client, appUrl: url, audience, accessTokenTtl: 30 });
  const api = await startApi({ issuer: provider.url, audience });
  const page = gatherPageFiles(root, provider.signIn);
  const config = provider.section && writeConfigFile(root, provider.section);

  function close(): void {
    provider.close();
    api.close();
    page.remove();
    config?.remove();
  }

  const variables = {
    BASE_URL: url,
    LISTEN: `127.0.0.1:${port}`,
    ISSUER: provider.url,
    CLIENT_ID: client.clientId,
    CLIENT_SECRET: client.clientSecret,
    API_URL: api.url,
    SPA_DIRECTORY: page.directory,
    SESSION_SECRET: randomBytes(32).toString('base64url'),
    ADMIN_TOKEN: adminToken,
  };
  try {
    const gateway = await startGateway({
      root,
      config: config?.path ?? 'config/demo.yaml',
      variables,
      onLog,
    });
    const stop = () => gateway.stop().finally(close);
    const hasStepUp = provider.signIn.by === 'redirect' && provider.signIn.isOpenId;
    const { advice } = provider;
    return { url, adminUrl: gateway.adminUrl, adminToken, hasStepUp, advice, ended: gateway.ended, stop };
  } catch (error) {
    close();
    throw error;
  }
}
