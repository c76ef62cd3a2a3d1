import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { RequestContext } from '../../http/inbound/request-context.ts';
import type { Tunnel, Tunnels } from './tunnel.ts';
import { passResponse, switchProtocols } from './refusal.ts';
import type { UpgradeCall } from './upstream-upgrade.ts';

/** An upgrade that has been let through. */
export type UpgradeRequest = {
  readonly request: IncomingMessage;
  readonly socket: Socket;
  /** What the browser sent before it had an answer; the upstream gets it after its 101 and not before. */
  readonly early: Buffer;
  readonly exchange: RequestContext;
};

/** What the browser sees of an upstream's answer, as flat lists of names and values. */
export type ResponsePolicy = {
  /** Of a 101; throws when it is none that could be passed on. */
  switched(head: IncomingMessage): string[];
  /** Of any other answer. */
  refused(head: IncomingMessage): string[];
  /** How long the body of such an answer may stand still, in milliseconds; 0 for ever. */
  readonly idleMs: number;
};

/** Takes upgrades to their upstream and the answers back. */
export type UpgradeRelay = {
  /**
   * Settles when the browser has its answer, or has gone: with a tunnel if that was a 101. Rejects when there is none to be
   * had from the upstream.
   */
  open(crossing: UpgradeRequest, call: UpgradeCall, policy: ResponsePolicy): Promise<Tunnel | undefined>;
};

/** After how long without a word the other side of a tunnel is asked whether it is still there, in milliseconds. */
const KEEP_ALIVE_MS = 60_000;

export function createUpgradeRelay(deps: {
  tunnels: Tunnels;
  /** Told of every upgrade that an upstream has answered, with the status. */
  onAnswer(status: number, exchange: RequestContext): void;
}): UpgradeRelay {
  const { tunnels, onAnswer } = deps;
  return {
    async open({ request, socket, early, exchange }, call, policy) {
      const leave = () => call.cancel();
      socket.once('close', leave);
      const { head, switched } = await call.answer.finally(() => socket.off('close', leave));
      if (socket.destroyed) {
        (switched?.socket ?? head).destroy();
        return undefined;
      }
      if (switched === undefined) {
        onAnswer(head.statusCode ?? 502, exchange);
        passResponse(head, { request, socket, idleMs: policy.idleMs }, policy.refused(head));
        return undefined;
      }
      try {
        const fields = policy.switched(head);
        onAnswer(101, exchange);
        socket.unshift(early);
        switchProtocols(socket, fields);
      } catch (error) {
        switched.socket.destroy();
        throw error;
      }
      for (const end of [socket, switched.socket]) {
        end.setTimeout(0).setNoDelay().setKeepAlive(true, KEEP_ALIVE_MS);
      }
      return tunnels.open(socket, switched.socket, switched.first);
    },
  };
}
