import type { Route, UpstreamServer } from '../routes.ts';
import type { ServerSelection } from '../upstream/server-selection.ts';
import type { UpgradeCall, UpgradeResponse } from './upstream-upgrade.ts';

/** Requests an upgrade from one server of a route, and from another one when it accepts no connection. */
export function callReachableServer(
  { servers }: Route,
  selection: ServerSelection,
  open: (server: UpstreamServer) => UpgradeCall,
): UpgradeCall {
  if (servers.length === 1) return open(servers[0]);
  const tried = new Set<UpstreamServer>();
  let isCancelled = false;

  const request = (server: UpstreamServer): { call: UpgradeCall; response: Promise<UpgradeResponse> } => {
    tried.add(server);
    const call = open(server);
    return { call, response: responseOf(server, call) };
  };
  const responseOf = async (server: UpstreamServer, call: UpgradeCall): Promise<UpgradeResponse> => {
    try {
      const response = await call.response;
      selection.reached(server);
      return response;
    } catch (error) {
      if (isCancelled || call.wasConnected()) throw error;
      selection.failed(server);
      const next = selection.next(tried);
      if (next === undefined) throw error;
      current = request(next);
      return current.response;
    }
  };
  let current = request(selection.next() ?? servers[0]);

  return {
    response: current.response,
    wasConnected: () => current.call.wasConnected(),
    cancel(error) {
      isCancelled = true;
      current.call.cancel(error);
    },
  };
}
