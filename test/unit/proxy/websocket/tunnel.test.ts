import { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createTunnel } from '../../../../src/proxy/websocket/tunnel.ts';
import { closeFrame } from '../../../../src/proxy/websocket/frames.ts';

beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => vi.useRealTimers());

/** A tunnel whose upstream the test controls, with the bytes that its browser received. */
function openTunnel(first: number[] = []) {
  const upstream = new Socket();
  const received: Buffer[] = [];
  const browser = new Socket();
  browser._write = (chunk: Buffer, _encoding, done) => {
    received.push(chunk);
    done();
  };
  return {
    tunnel: createTunnel(browser, upstream, Buffer.from(first)),
    browser,
    upstream,
    say: (...bytes: number[]) => void upstream.emit('data', Buffer.from(bytes)),
    received: () => Array.from(Buffer.concat(received)),
  };
}

const hello = [0x81, 0x02, 0x68, 0x69];
const closeBytes = Array.from(closeFrame(1_001));

describe('an open tunnel', () => {
  it('passes everything through', () => {
    const { browser, say, received } = openTunnel(hello.slice(0, 3));
    say(...hello.slice(3), ...hello.slice(0, 1));
    say(...hello.slice(1));
    expect(received()).toEqual([...hello, ...hello]);
    expect(browser.writableEnded).toBe(false);
  });
});

describe('a tunnel that is closed', () => {
  it('sends the close frame at once between two frames and ignores the upstream afterwards (F25)', () => {
    const { tunnel, browser, upstream, say, received } = openTunnel();
    say(...hello);
    tunnel.close(1_001);
    expect(received()).toEqual([...hello, ...closeBytes]);
    expect(browser.writableEnded).toBe(true);
    expect(upstream.destroyed).toBe(true);
  });

  it('completes the frame in progress first, with the whole frames after it (F25)', () => {
    const { tunnel, browser, upstream, say, received } = openTunnel();
    say(...hello.slice(0, 3));
    tunnel.close(1_008);
    expect(browser.writableEnded).toBe(false);
    say(...hello.slice(3), ...hello);
    expect(received()).toEqual([...hello, ...hello, ...closeFrame(1_008)]);
    expect(browser.writableEnded).toBe(true);
    expect(upstream.destroyed).toBe(true);
  });

  it('does not send the beginning of another frame that it could not complete', () => {
    const { tunnel, say, received } = openTunnel();
    say(...hello.slice(0, 3));
    tunnel.close(1_001);
    say(...hello.slice(3), ...hello.slice(0, 2));
    expect(received()).toEqual([...hello, ...closeBytes]);
  });

  it('is cut off when the frame does not end within a second', () => {
    const { tunnel, browser, say, received } = openTunnel();
    say(...hello.slice(0, 2));
    tunnel.close(1_001);
    say(...hello.slice(2, 3));
    vi.advanceTimersByTime(999);
    expect(browser.destroyed).toBe(false);
    vi.advanceTimersByTime(1);
    expect(browser.destroyed).toBe(true);
    expect(received()).toEqual(hello.slice(0, 3));
  });

  it('is cut off when the browser does not respond within a second', () => {
    const { tunnel, browser } = openTunnel();
    tunnel.close(1_001);
    vi.advanceTimersByTime(999);
    expect(browser.destroyed).toBe(false);
    vi.advanceTimersByTime(1);
    expect(browser.destroyed).toBe(true);
  });

  it('is closed once, with the first reason', () => {
    const { tunnel, received } = openTunnel();
    tunnel.close(1_001);
    tunnel.close(1_008);
    expect(received()).toEqual(closeBytes);
  });
});
