import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { createServer, type TlsOptions } from 'node:tls';
import { type FakeProvider, startFakeProvider } from './fake-provider.ts';

/** A fake provider behind TLS, under a name of its own. */
export type SecureProvider = {
  /** The provider, which the browser of a test reaches without TLS. */
  readonly provider: FakeProvider;
  /** `https://HOST:PORT` */
  readonly issuer: string;
  /** Of the TLS listener, on 127.0.0.1. */
  readonly port: number;
  /** The common names of the client certificates that were shown, one for each connection. */
  readonly clients: readonly string[];
  /** Has another certificate from now on, and cuts every connection. */
  become(identity: TlsOptions): void;
  close(): Promise<void>;
};

/** Starts a provider whose metadata and tokens have `https://HOST:PORT` as their issuer. */
export async function startSecureProvider(identity: TlsOptions, host = 'localhost'): Promise<SecureProvider> {
  const provider = await startFakeProvider();
  const sockets = new Set<Socket>();
  const clients: string[] = [];
  const server = createServer(identity, (socket) => {
    const { subject } = socket.getPeerCertificate();
    if (subject !== undefined) clients.push(String(subject.CN));
    const inner = connect(provider.port, '127.0.0.1');
    for (const each of [socket, inner]) {
      sockets.add(each);
      each.on('error', () => each.destroy());
    }
    socket.pipe(inner).pipe(socket);
  });
  server.on('tlsClientError', () => {});
  server.listen(0, host === 'localhost' ? host : '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const issuer = `https://${host}:${port}`;
  giveIssuer(provider, issuer);
  return {
    provider,
    issuer,
    port,
    clients,
    become(next) {
      server.setSecureContext(next);
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await provider.close();
    },
  };
}

/** Has a provider take another name: in its metadata, in ID tokens and when it sends the browser back. */
export function giveIssuer(provider: FakeProvider, issuer: string): void {
  for (const [name, value] of Object.entries(provider.metadata)) {
    if (typeof value === 'string') provider.metadata[name] = value.replace(provider.issuer, issuer);
  }
  provider.patchIdToken = (claims) => ({ ...claims, iss: issuer });
  provider.patchAuthorizationResponse = (sent) => ({ ...sent, iss: issuer });
}
