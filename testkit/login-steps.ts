import type { AgentResponse } from './user-agent/transport.ts';
import type { UserAgent } from './user-agent.ts';

/** A login that has begun: what the gateway answered, and where it sent the browser. */
export type BegunLogin = { response: AgentResponse; authorizationUrl: URL };

/** Takes the first step of a login and follows nothing. */
export async function beginLogin(agent: UserAgent, query = ''): Promise<BegunLogin> {
  const response = await agent.get(`/auth/login${query}`);
  const location = response.header('location');
  if (response.status !== 302 || location === undefined) {
    throw new Error(`the login did not begin: ${response.status} ${response.text()}`);
  }
  return { response, authorizationUrl: new URL(location) };
}

/** Takes the second step, at the provider, and gives the callback that it would send the browser to. */
export async function authorize(agent: UserAgent, { authorizationUrl }: BegunLogin): Promise<URL> {
  const response = await agent.get(authorizationUrl.href);
  return new URL(response.header('location') ?? '');
}

/** Goes through the provider to the end, as a browser does, and gives the answer to the callback. */
export async function finishLogin(
  agent: UserAgent,
  { authorizationUrl }: BegunLogin,
): Promise<AgentResponse> {
  const { chain } = await agent.navigate(authorizationUrl.href);
  const callback = chain.find(({ url }) => new URL(url).pathname.endsWith('/callback'));
  if (callback === undefined) throw new Error('the provider did not send the browser back');
  return callback;
}

/** Takes both steps of a login, and gives the answer to the callback. */
export async function login(agent: UserAgent, query?: string): Promise<AgentResponse> {
  return finishLogin(agent, await beginLogin(agent, query));
}
