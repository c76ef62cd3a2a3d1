import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { closeFrame, createFrameTracker } from './websocket-frames.ts';

/** An open WebSocket between a browser and an upstream. */
export type Tunnel = {
  /** Closes it with a status code (RFC 6455, section 7.4.1) between two frames; a frame that does not end is cut off. */
  close(code: number): void;
  isClosing(): boolean;
};

/** How long a frame under way may take to end, and a browser to answer the close, in milliseconds. */
const GRACE_MS = 1_000;

/**
 * Watches the upstream's side of a tunnel that the proxy library pipes, so that the gateway can end it in good form. Call
 * when the pipe stands and before anything has flowed.
 */
export function createTunnel(browser: Duplex, upstream: Socket): Tunnel {
  const frames = createFrameTracker();
  const follow = (chunk: Buffer) => void frames.feed(chunk);
  upstream.on('data', follow);
  let closing = false;

  const finish = (code: number) => {
    upstream.destroy();
    // What the browser still sends is read and thrown away, until it has ended its side as well.
    browser.unpipe(upstream);
    browser.resume();
    browser.end(closeFrame(code));
    setTimeout(() => browser.destroy(), GRACE_MS).unref();
  };

  /** Lets the frame under way out to its end, and nothing after it. */
  const finishAfterFrame = (code: number) => {
    const timer = setTimeout(() => browser.destroy(), GRACE_MS);
    browser.once('close', () => clearTimeout(timer));
    browser.on('drain', () => upstream.resume());
    upstream.on('data', (chunk: Buffer) => {
      const end = frames.feed(chunk);
      const goesOn = browser.write(end === 0 ? chunk : chunk.subarray(0, end));
      if (end > 0) {
        clearTimeout(timer);
        finish(code);
      } else if (!goesOn) upstream.pause();
    });
    upstream.resume();
  };

  return {
    close(code) {
      if (closing) return;
      closing = true;
      upstream.unpipe(browser);
      upstream.off('data', follow);
      if (frames.isBetweenFrames()) finish(code);
      else finishAfterFrame(code);
    },
    isClosing: () => closing,
  };
}

/** The tunnels of a gateway, which end together when it stops. */
export type Tunnels = {
  /** Opens one; what is opened after {@link Tunnels.closeAll} is closed at once. */
  open(browser: Socket, upstream: Socket): Tunnel;
  /** Closes every tunnel with 1001, "going away". */
  closeAll(): void;
};

const GOING_AWAY = 1001;

export function createTunnels(): Tunnels {
  const tunnels = new Set<Tunnel>();
  let goingAway = false;
  return {
    open(browser, upstream) {
      const tunnel = createTunnel(browser, upstream);
      tunnels.add(tunnel);
      browser.once('close', () => {
        tunnels.delete(tunnel);
        upstream.destroy();
      });
      if (goingAway) tunnel.close(GOING_AWAY);
      return tunnel;
    },
    closeAll() {
      goingAway = true;
      for (const tunnel of tunnels) tunnel.close(GOING_AWAY);
    },
  };
}
