import type { Socket } from 'node:net';
import { endSocket } from '../../http/server/lingering-close.ts';
import { WEBSOCKET_CLOSE_MS } from '../../timing.ts';
import type { IsWithdrawn, OpenedBy } from '../withdrawn-routes.ts';
import { closeFrame, createFrameTracker } from './frames.ts';

/** An open WebSocket between a browser and an upstream. */
export type Tunnel = {
  /** Closes it with a status code (RFC 6455, section 7.4.1) between two frames; a frame that does not end is cut off. */
  close(code: number): void;
};

/** How long an upstream may stay silent after its browser has disconnected, in milliseconds. */
const LEAVE_MS = 5_000;

const ignore = () => undefined;

/**
 * Passes bytes both ways, each side at the pace of the other. Whichever ends first, both are closed in the end. `first` is
 * what came from the upstream together with its 101.
 *
 * An idle tunnel needs little memory beyond its two sockets: everything captured here stays as long as it is open.
 */
export function createTunnel(browser: Socket, upstream: Socket, first: Buffer): Tunnel {
  const frames = createFrameTracker();
  let closeCode: number | undefined;

  const toUpstream = (chunk: Buffer) => {
    if (!upstream.write(chunk)) browser.pause();
  };
  const toBrowser = (chunk: Buffer) => {
    const end = frames.feed(chunk);
    if (closeCode !== undefined && end > 0) {
      browser.write(chunk.subarray(0, end));
      finish(closeFrame(closeCode));
    } else if (!browser.write(chunk)) upstream.pause();
  };
  /** Reads and discards further data of the browser. */
  const ignoreBrowser = () => {
    browser.off('data', toUpstream);
    browser.resume();
  };
  const finish = (finalData?: Buffer) => {
    upstream.off('data', toBrowser).destroy();
    ignoreBrowser();
    if (!browser.writableEnded) endSocket(browser, finalData);
  };

  if (first.length > 0) toBrowser(first);
  upstream.on('data', toBrowser);
  upstream.on('drain', () => browser.resume());
  upstream.on('error', ignore);
  upstream.on('end', () => finish());
  upstream.on('close', () => finish());
  browser.on('data', toUpstream);
  browser.on('drain', () => upstream.resume());
  browser.on('end', () => {
    upstream.end();
    upstream.setTimeout(LEAVE_MS, () => upstream.destroy());
  });

  return {
    close(code) {
      if (closeCode !== undefined) return;
      closeCode = code;
      setTimeout(() => browser.destroy(), WEBSOCKET_CLOSE_MS).unref();
      ignoreBrowser();
      upstream.resume();
      if (frames.isBetweenFrames()) finish(closeFrame(code));
    },
  };
}

/** The tunnels of a gateway, which end together when it stops. */
export type Tunnels = {
  /** Opens one like {@link createTunnel}. It is closed at once if all are closed, or if the routes no longer permit it. */
  open(ends: Parameters<typeof createTunnel>, openedBy: OpenedBy | undefined): Tunnel;
  /** Closes those that the routes no longer permit with 1012, "service restart", and later ones as they open. */
  closeWithdrawn(isWithdrawn: IsWithdrawn): void;
  /** How many are open. */
  count(): number;
  /** Closes every tunnel with 1001, "going away". */
  closeAll(): void;
};

const GOING_AWAY = 1001;
const SERVICE_RESTART = 1012;

export function createTunnels(): Tunnels {
  const tunnels = new Map<Tunnel, OpenedBy | undefined>();
  let goingAway = false;
  let isWithdrawn: IsWithdrawn = () => false;
  return {
    open([browser, upstream, first], openedBy) {
      const tunnel = createTunnel(browser, upstream, first);
      tunnels.set(tunnel, openedBy);
      browser.on('close', () => {
        tunnels.delete(tunnel);
        upstream.destroy();
      });
      if (goingAway) tunnel.close(GOING_AWAY);
      // SECURITY: the upgrade was admitted under the routes before a reload.
      else if (openedBy && isWithdrawn(openedBy)) tunnel.close(SERVICE_RESTART);
      return tunnel;
    },
    closeWithdrawn(current) {
      isWithdrawn = current;
      for (const [tunnel, openedBy] of tunnels)
        if (openedBy && isWithdrawn(openedBy)) tunnel.close(SERVICE_RESTART);
    },
    count: () => tunnels.size,
    closeAll() {
      goingAway = true;
      for (const tunnel of tunnels.keys()) tunnel.close(GOING_AWAY);
    },
  };
}
