import { type RequestListener, createServer } from 'node:http';
import { listenOnLoopback } from '../network/loopback-server.ts';
import { type Behaviour, echo } from './behaviours.ts';
import { type UpstreamRequest, recordRequest } from './request.ts';
import { type UpgradeRequest, type Upgrades, createUpgrades } from './upgrades.ts';
import type { WebSocket } from 'ws';

/** An API behind the gateway. By default it echoes each request as JSON. */
export type Upstream = {
  readonly url: string;
  readonly port: number;
  /** Every request received, in order of arrival. */
  readonly requests: UpstreamRequest[];
  /** Sets the behaviour for all further requests. */
  respond(behaviour: Behaviour): void;

  /** Every upgrade request, in order. */
  readonly upgrades: UpgradeRequest[];
  /** The WebSockets accepted so far. Each echoes its messages, unless `onWebSocket` says otherwise. */
  readonly webSockets: WebSocket[];
  onWebSocket(handler: (socket: WebSocket) => void): void;
  /** Rejects upgrades with this status from now on, and this `WWW-Authenticate`; accepts them again when undefined. */
  rejectUpgrades(status: number | undefined, challenge?: string): void;
  /** Rejects the upgrades for which this gives a response. */
  rejectUpgradesIf: Upgrades['rejectIf'];

  /** Cuts every connection and closes the port. */
  stop(): Promise<void>;
  /** Listens again on the same port. */
  start(): Promise<void>;
  close(): Promise<void>;
};

/** Starts an upstream on a free port of 127.0.0.1. */
export async function startUpstream(): Promise<Upstream> {
  const requests: UpstreamRequest[] = [];
  const upgrades = createUpgrades();
  let behaviour: Behaviour = echo;

  const handle: RequestListener = (request, response) => {
    const record = recordRequest(request, response);
    requests.push(record);
    // A behaviour fails when its client disconnects, which the record shows.
    Promise.resolve(behaviour(request, response, record)).catch(() => response.destroy());
  };
  const server = createServer({ requestTimeout: 0 }, handle);
  // Without this listener the server would send 100 before a behaviour could reject the request.
  server.on('checkContinue', handle);
  server.on('upgrade', upgrades.handle);
  const loopback = await listenOnLoopback(server);

  return {
    url: `http://127.0.0.1:${loopback.port}`,
    port: loopback.port,
    requests,
    respond: (next) => {
      behaviour = next;
    },
    upgrades: upgrades.requests,
    webSockets: upgrades.webSockets,
    onWebSocket: (handler) => upgrades.onWebSocket(handler),
    rejectUpgrades: (status, challenge) => upgrades.reject(status, challenge),
    rejectUpgradesIf: (decide) => upgrades.rejectIf(decide),
    stop: () => loopback.stop(),
    start: () => loopback.start(),
    close: () => loopback.stop(),
  };
}
