import { once } from 'node:events';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { tlsOptions, type ClientTls } from '../config/schema/tls.ts';

/** How long to wait for a server that sends neither a session ticket nor an alert, in milliseconds. */
const ALERT_MS = 1_000;

/** Connects to the server of an http(s) URL, with TLS for https, and sends nothing. Rejects with the reason. */
export async function tryConnection(url: string, tls: ClientTls, timeoutMs: number): Promise<void> {
  const { protocol, hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  if (protocol === 'http:') {
    const socket = connectTcp({ host, port: Number(port || 80) });
    return untilConnected(socket, 'connect', timeoutMs);
  }
  const name = tls.serverName ?? host;
  const socket = connectTls({
    host,
    port: Number(port || 443),
    ...(isIP(name) === 0 && { servername: name }),
    ...tlsOptions(tls),
  });
  return untilConnected(socket, 'secureConnect', timeoutMs, () => untilJudged(socket));
}

/** With TLS 1.3, a server judges the client's certificate after the handshake: then it sends a session ticket, or an alert. */
async function untilJudged(socket: TLSSocket): Promise<unknown> {
  if (socket.getProtocol() !== 'TLSv1.3') return;
  return Promise.race([once(socket, 'session'), sleep(ALERT_MS)]);
}

/** True when a server speaks TLS, whatever its certificate. */
export async function speaksTls(host: string, port: number, timeoutMs: number): Promise<boolean> {
  // SECURITY: the certificate does not matter, because nothing is sent and nothing is read.
  const socket = connectTls({ host, port, rejectUnauthorized: false });
  return untilConnected(socket, 'secureConnect', timeoutMs).then(
    () => true,
    () => false,
  );
}

/** True when a server replies as Redis without TLS. It replies to a PING whether the client has signed in or not. */
export function speaksRedis(host: string, port: number, timeoutMs: number): Promise<boolean> {
  return new Promise((settle) => {
    const socket = connectTcp({ host, port, timeout: timeoutMs });
    const end = (isRedis: boolean) => {
      socket.destroy();
      settle(isRedis);
    };
    socket.once('connect', () => socket.write('PING\r\n'));
    socket.once('data', (bytes: Buffer) => end(/^[+-]/.test(bytes.toString('latin1', 0, 1))));
    socket.once('timeout', () => end(false));
    socket.on('error', () => end(false));
    socket.once('close', () => end(false));
  });
}

function untilConnected(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  timeoutMs: number,
  afterwards = async (): Promise<unknown> => undefined,
): Promise<void> {
  return new Promise<void>((settle, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`no connection within ${timeoutMs / 1000} s`)),
      timeoutMs,
    );
    // The listener stays: a socket may emit a second error while it closes.
    socket.on('error', reject);
    socket.once(event, () => void afterwards().then(() => settle(), reject));
    socket.once('close', () => {
      clearTimeout(timer);
      reject(new Error('the server closed the connection'));
    });
  }).finally(() => socket.destroy());
}
