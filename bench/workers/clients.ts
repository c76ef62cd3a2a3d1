import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { serveWorker } from '../worker-process.ts';
import { requestHead, type Target } from '../workload.ts';

export type ClientsShape = {
  ready: null;
  commands: {
    /** Downloads bytes at full speed and returns the number received. */
    download(options: Target & { bytes: number }): Promise<number>;
    /** Uploads bytes at full speed and returns the number that arrived, according to the response. */
    upload(options: Target & { bytes: number }): Promise<number>;
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

/** Sends a request head over a new connection. */
async function dial(method: string, target: Target, fields?: readonly string[]): Promise<Socket> {
  const socket = connect({ port: target.port, host: '127.0.0.1', noDelay: true });
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect');
  open.add(socket);
  socket.once('close', () => open.delete(socket));
  socket.write(requestHead(method, target, fields));
  return socket;
}

/** Returns the first bytes of the response body; the status must match. */
async function readHead(socket: Socket, status: number): Promise<Buffer> {
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
  const socket = await dial('GET', { ...target, path: `/api/download/${bytes}` });
  let received = (await readHead(socket, 200)).length;
  socket.on('data', (chunk: Buffer) => {
    received += chunk.length;
    if (received >= bytes) socket.destroy();
  });
  await once(socket, 'close');
  return received;
}

async function upload({ bytes, ...target }: Target & { bytes: number }): Promise<number> {
  const fields = [`Content-Length: ${bytes}`, `Origin: http://127.0.0.1:${target.port}`];
  const socket = await dial('POST', { ...target, path: '/api/upload' }, fields);
  const response = readHead(socket, 200);
  for (let left = bytes; left > 0 && !socket.destroyed; left -= BLOCK.length) {
    if (!socket.write(BLOCK.subarray(0, Math.min(left, BLOCK.length)))) await once(socket, 'drain');
  }
  const text = await response;
  socket.destroy();
  return Number(text.toString());
}

async function openSockets({ count, ...target }: Target & { count: number }): Promise<number> {
  const fields = [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    `Origin: http://127.0.0.1:${target.port}`,
  ];
  const queue = Array(count).keys();
  let opened = 0;
  const work = async () => {
    for (const _ of queue) {
      try {
        const socket = await dial('GET', { ...target, path: '/api/socket' }, fields);
        await readHead(socket, 101);
        socket.resume();
        opened += 1;
      } catch {
        // The study reports how many are missing.
      }
    }
  };
  await Promise.all(Array.from({ length: MAX_CONCURRENT_OPENS }, work));
  return opened;
}

serveWorker(null, {
  download,
  upload,
  openSockets,
  disconnect: () => {
    for (const socket of open) socket.destroy();
  },
} satisfies ClientsShape['commands']);
