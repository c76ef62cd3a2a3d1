import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { closeFrame, createFrameTracker } from './websocket-frames.ts';

/** An open WebSocket between a browser and an upstream. */
export type Tunnel = {
  /** Closes it with a status code (RFC 6455, section 7.4.1), between two frames if it can be. */
  close(code: number): void;
};

/** How long a frame that is under way may take to end before the close cuts it off, in milliseconds. */
const FRAME_GRACE_MS = 1_000;

/** Watches the upstream's side of a tunnel that the proxy library pipes, so that the gateway can end it in good form. */
export function createTunnel(browser: Duplex, upstream: Socket): Tunnel {
  const frames = createFrameTracker();
  upstream.on('data', (chunk: Buffer) => frames.feed(chunk));
  let closing = false;

  const finish = (code: number) => {
    upstream.unpipe(browser);
    upstream.destroy();
    browser.end(closeFrame(code));
    // The browser answers with a close frame of its own and ends; one that does not is cut off.
    setTimeout(() => browser.destroy(), FRAME_GRACE_MS).unref();
  };

  return {
    close(code) {
      if (closing) return;
      closing = true;
      if (frames.isBetweenFrames()) return finish(code);
      const timer = setTimeout(() => finish(code), FRAME_GRACE_MS);
      upstream.on('data', () => {
        if (!frames.isBetweenFrames()) return;
        clearTimeout(timer);
        finish(code);
      });
    },
  };
}
