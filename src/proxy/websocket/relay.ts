import type { RouteConfig } from '../../config/schema/schema.ts';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { RequestContext } from '../../http/inbound/request-context.ts';
import { explainBrokenResponse } from '../upstream/errors.ts';
import type { ResponseHead } from '../upstream/response-head.ts';
import { passResponse, switchProtocols } from './refusal.ts';
import type { Tunnel, Tunnels } from './tunnel.ts';
import { whileWaiting } from './while-waiting.ts';
import type { UpgradeCall, UpgradeResponse } from './upstream-upgrade.ts';

/** An upgrade that has passed every check. */
export type UpgradeRequest = {
  readonly request: IncomingMessage;
  readonly socket: Socket;
  /** The bytes that the browser sent before the response; the upstream gets them after its 101. */
  readonly early: Buffer;
  readonly context: RequestContext;
};

/** The response fields for the browser, as flat lists of names and values. */
export type ResponsePolicy = {
  /** Of a 101. Throws when it does not accept the handshake. */
  switched(head: ResponseHead): string[];
  /** Of any other response. Throws when the browser gets an error in its place. */
  refused(head: ResponseHead): string[];
  /** How long the body of such a response may stall, in milliseconds; 0 means no limit. */
  readonly idleMs: number;
  /** The route that a tunnel depends on. */
  readonly route?: RouteConfig;
};

/** Relays upgrades to their upstream and the responses back. */
export type UpgradeRelay = {
  /**
   * Settles when the browser has its response, or has disconnected: with a tunnel if that was a 101. Rejects when the
   * upstream sends none that can be passed on.
   */
  open(upgrade: UpgradeRequest, call: UpgradeCall, policy: ResponsePolicy): Promise<Tunnel | undefined>;
};

/** The idle time of a tunnel before a TCP keep-alive probe, in milliseconds. */
const KEEP_ALIVE_MS = 60_000;

export function createUpgradeRelay(deps: {
  tunnels: Tunnels;
  /** Called with the status of every response of an upstream to an upgrade. */
  onResponse(status: number, context: RequestContext): void;
}): UpgradeRelay {
  const { tunnels, onResponse } = deps;
  return {
    async open({ request, socket, early, context }, call, policy) {
      const cancel = () => call.cancel();
      socket.once('close', cancel);
      if (socket.destroyed) cancel();
      const upstream = await whileWaiting(socket, () => call.response).finally(() =>
        socket.off('close', cancel),
      );
      const { head, body, switched } = upstream;
      if (socket.destroyed) {
        destroy(upstream);
        return undefined;
      }
      try {
        if (switched === undefined) {
          const { status } = head;
          // SECURITY: a 101 without `Connection` or `Upgrade` also ends here, and would look like an open WebSocket.
          if (status < 200) throw new Error(`the upstream responded to an upgrade with status ${status}`);
          const fields = policy.refused(head);
          onResponse(status, context);
          passResponse({ status, fields, body }, { request, socket, idleMs: policy.idleMs });
          return undefined;
        }
        const fields = policy.switched(head);
        onResponse(101, context);
        socket.unshift(early);
        switchProtocols(socket, fields);
        for (const end of [socket, switched.socket]) {
          end.setTimeout(0).setNoDelay().setKeepAlive(true, KEEP_ALIVE_MS);
        }
        const { route } = policy;
        const { target, tokenIssuer } = context;
        const openedBy = route && { route, path: target.path, tokenIssuer };
        const tunnel = tunnels.open([socket, switched.socket, switched.first], openedBy);
        socket.resume();
        return tunnel;
      } catch (error) {
        destroy(upstream);
        throw explainBrokenResponse(error);
      }
    },
  };
}

function destroy({ body, switched }: UpgradeResponse): void {
  switched?.socket.destroy();
  body.destroy();
}
