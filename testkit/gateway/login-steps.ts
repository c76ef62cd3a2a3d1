import type { FakeProvider } from '../fake-provider/fake-provider.ts';
import type { AgentResponse } from '../user-agent/transport.ts';
import type { UserAgent } from '../user-agent/user-agent.ts';

/** A started login: the gateway's response and the redirect to the provider. */
export type BegunLogin = { response: AgentResponse; authorizationUrl: URL };

/** Starts a login without following the redirect. */
export async function beginLogin(agent: UserAgent, query = ''): Promise<BegunLogin> {
  const response = await agent.get(`/auth/login${query}`);
  const location = response.header('location');
  if (response.status !== 302 || location === undefined) {
    throw new Error(`the login did not begin: ${response.status} ${response.text()}`);
  }
  return { response, authorizationUrl: new URL(location) };
}

/** The address at which the page of a response continues by itself. */
export function refreshUrlOf(page: AgentResponse): string {
  const [, url = ''] = /content="0; url=([^"]+)"/.exec(page.text()) ?? [];
  return url.replaceAll('&#38;', '&');
}

/** Continues a login at the provider and returns the callback URL of its redirect. */
export async function authorize(agent: UserAgent, { authorizationUrl }: BegunLogin): Promise<URL> {
  const response = await agent.get(authorizationUrl.href);
  return new URL(response.header('location') ?? '');
}

/** Makes a callback no navigation, so that a failed one gets a problem document. */
const noNavigation = { accept: '*/*', 'sec-fetch-mode': undefined, 'sec-fetch-dest': undefined };

/**
 * Completes a started login through the provider and returns the callback's response; a failed one is a problem document, as
 * for a client that is not a browser.
 */
export async function finishLogin(
  agent: UserAgent,
  { authorizationUrl }: BegunLogin,
): Promise<AgentResponse> {
  const { chain } = await agent.navigate(authorizationUrl.href, { headers: noNavigation });
  const callback = chain.find(({ url }) => new URL(url).pathname.endsWith('/callback'));
  if (callback === undefined) throw new Error('the provider did not send the browser back');
  return callback;
}

/** Runs a whole login and returns the callback's response. */
export async function login(agent: UserAgent, query?: string): Promise<AgentResponse> {
  return finishLogin(agent, await beginLogin(agent, query));
}

/** Signs in at a provider that the browser of the test reaches under another name than its issuer. */
export async function loginDirectly({
  agent,
  provider,
}: {
  agent: UserAgent;
  provider: Pick<FakeProvider, 'port'>;
}): Promise<AgentResponse> {
  const begun = await beginLogin(agent);
  const { pathname, search } = begun.authorizationUrl;
  const authorizationUrl = new URL(pathname + search, `http://127.0.0.1:${provider.port}`);
  return agent.get((await authorize(agent, { ...begun, authorizationUrl })).href);
}
