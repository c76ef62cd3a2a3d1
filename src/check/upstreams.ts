import type { Config, RouteConfig } from '../config/schema/schema.ts';
import { checkResult, type CheckResult } from '../provider/check-result.ts';
import { tryConnection } from './connection.ts';
import { explainConnection } from './reason.ts';

/** One server of the upstream of one or several routes that connect to it in the same way. */
type Server = { readonly origin: string; readonly routes: { config: RouteConfig; at: number }[] };

/** Connects to every server of every route, with its TLS settings, and sends nothing. */
export async function checkUpstreams({ routes }: Config): Promise<readonly CheckResult[]> {
  const servers = serversOf(routes);
  const failures = new Map<Server, string>();
  await Promise.all(
    servers.map(async (server) => {
      const [first] = server.routes;
      if (first === undefined) return;
      const { tls, timeout } = first.config;
      try {
        await tryConnection(server.origin, tls, timeout.connect);
      } catch (error) {
        failures.set(server, explainConnection(error, { tlsKey: `routes[${first.at}].tls`, ca: tls.ca }));
      }
    }),
  );
  const isReachable = (server: Server) => !failures.has(server);
  const hasOther = ({ config }: Server['routes'][number]) =>
    servers.some((server) => isReachable(server) && server.routes.some((route) => route.config === config));
  const results = servers.map((server) => {
    const subject = `${server.origin}, for ${server.routes.map(({ config }) => config.path).join(', ')}`;
    const failure = failures.get(server);
    if (failure === undefined) return checkResult('upstream', 'ok', subject);
    const detail = `${subject}: no connection: ${failure}`;
    return server.routes.every(hasOther)
      ? checkResult('upstream', 'warning', `${detail}; the other servers are used`)
      : checkResult('upstream', 'failed', detail);
  });
  const withoutUpstream = routes.filter(({ upstream }) => upstream === undefined).map(({ path }) => path);
  if (withoutUpstream.length === 0) return results;
  const detail = `none, for ${withoutUpstream.join(', ')}: only proxies that call GET /auth/check use it`;
  return [...results, checkResult('upstream', 'ok', detail)];
}

function serversOf(routes: readonly RouteConfig[]): Server[] {
  const byConnection = new Map<string, Server>();
  for (const [at, config] of routes.entries()) {
    for (const url of config.upstream ?? []) {
      const { origin } = new URL(url);
      const key = JSON.stringify([origin, config.tls]);
      const server = byConnection.get(key) ?? { origin, routes: [] };
      server.routes.push({ config, at });
      byConnection.set(key, server);
    }
  }
  return [...byConnection.values()];
}
