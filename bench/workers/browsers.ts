import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { serveWorker } from '../worker-process.ts';
import { quantile } from '../statistics.ts';
import { requestHead, type Target } from '../workload.ts';

/** The number of received events, and their delay in milliseconds. */
export type EventReport = { received: number; p50: number; p99: number };

export type BrowsersShape = {
  ready: null;
  commands: {
    /** Downloads bytes at full speed and returns the number received. */
    download(options: Target & { bytes: number }): Promise<number>;
    /** Uploads bytes at full speed and returns the number that arrived, according to the response. */
    upload(options: Target & { bytes: number }): Promise<number>;
    /** Starts downloads, reads them very slowly, and returns how many started. */
    readSlowly(options: Target & { count: number; bytes: number }): Promise<number>;
    /** Opens event streams and returns how many are open. */
    openEvents(options: Target & { count: number }): Promise<number>;
    /** The events received since the last call. */
    events(): EventReport;
    /** Opens idle WebSockets and returns how many are open. */
    openSockets(options: Target & { count: number }): Promise<number>;
    /** Cuts every connection. */
    disconnect(): void;
  };
};

const BLOCK = Buffer.alloc(65_536, 'y');
const HEAD_END = '\r\n\r\n';
const MAX_CONCURRENT_OPENS = 50;
const RESPONSE_TIMEOUT_MS = 15_000;

const open = new Set<Socket>();
const delays: number[] = [];

async function dial({ port }: Target): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect');
  open.add(socket);
  socket.once('close', () => open.delete(socket));
  return socket;
}

/** Sends a request head and returns the first bytes of the response body; the status must match. */
async function ask(socket: Socket, head: string, status: number): Promise<Buffer> {
  socket.write(head);
  const signal = AbortSignal.timeout(RESPONSE_TIMEOUT_MS);
  let bytes = Buffer.alloc(0);
  for (;;) {
    const [chunk] = (await once(socket, 'data', { signal })) as [Buffer];
    bytes = Buffer.concat([bytes, chunk]);
    const end = bytes.indexOf(HEAD_END);
    if (end === -1) continue;
    const line = bytes.toString('latin1', 0, bytes.indexOf('\r\n'));
    if (!line.startsWith(`HTTP/1.1 ${status}`)) throw new Error(`expected ${status}, got ${line}`);
    return bytes.subarray(end + HEAD_END.length);
  }
}

async function download({ bytes, ...target }: Target & { bytes: number }): Promise<number> {
  const socket = await dial(target);
  const early = await ask(socket, requestHead('GET', { ...target, path: `/api/download/${bytes}` }), 200);
  let received = early.length;
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length;
    if (received >= bytes) socket.destroy();
  });
  await once(socket, 'close');
  return received;
}

async function upload({ bytes, ...target }: Target & { bytes: number }): Promise<number> {
  const socket = await dial(target);
  const fields = [`Content-Length: ${bytes}`, `Origin: http://127.0.0.1:${target.port}`];
  const response = ask(socket, requestHead('POST', { ...target, path: '/api/upload' }, fields), 200);
  for (let left = bytes; left > 0 && !socket.destroyed; left -= BLOCK.length) {
    if (!socket.write(BLOCK.subarray(0, Math.min(left, BLOCK.length)))) await once(socket, 'drain');
  }
  const text = await response;
  socket.destroy();
  return Number(text.toString());
}

async function readSlowly({
  count,
  bytes,
  ...target
}: Target & { count: number; bytes: number }): Promise<number> {
  return times(count, async () => {
    const socket = await dial(target);
    await ask(socket, requestHead('GET', { ...target, path: `/api/download/${bytes}` }), 200);
    socket.pause();
    void readSometimes(socket);
  });
}

/** Reads the socket's buffer ten times a second. */
async function readSometimes(socket: Socket): Promise<void> {
  while (!socket.destroyed) {
    await sleep(100);
    socket.read(4096);
  }
}

async function openEvents({ count, ...target }: Target & { count: number }): Promise<number> {
  return times(count, async () => {
    const socket = await dial(target);
    await ask(socket, requestHead('GET', { ...target, path: '/api/events' }), 200);
    socket.on('data', (chunk: Buffer) => {
      const now = Date.now();
      for (const [, sentMs] of chunk.toString('latin1').matchAll(/data: (\d+)\n\n/g)) {
        delays.push(now - Number(sentMs));
      }
    });
  });
}

async function openSockets({ count, ...target }: Target & { count: number }): Promise<number> {
  const fields = [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    `Origin: http://127.0.0.1:${target.port}`,
  ];
  return times(count, async () => {
    const socket = await dial(target);
    await ask(socket, requestHead('GET', { ...target, path: '/api/socket' }, fields), 101);
    socket.resume();
  });
}

/** Runs `work` `count` times, some concurrently, and returns how often it succeeded. */
async function times(count: number, work: () => Promise<void>): Promise<number> {
  let begun = 0;
  let done = 0;
  const worker = async () => {
    while (begun++ < count) {
      await work().then(
        () => (done += 1),
        () => undefined,
      );
    }
  };
  await Promise.all(Array.from({ length: MAX_CONCURRENT_OPENS }, worker));
  return done;
}

serveWorker(null, {
  download,
  upload,
  readSlowly,
  openEvents,
  openSockets,
  events: () => {
    const sorted = Float64Array.from(delays.splice(0)).sort();
    return { received: sorted.length, p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) };
  },
  disconnect: () => {
    for (const socket of open) socket.destroy();
  },
} satisfies BrowsersShape['commands']);
