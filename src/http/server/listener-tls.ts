import { createSecureContext } from 'node:tls';
import { tlsOptions, type ClientTls } from '../../config/schema/tls.ts';

/** The certificate and the key of a listener, in PEM; neither where TLS ends in front of the gateway. */
export type ListenerTls = Pick<ClientTls, 'certificate' | 'key'>;

export function hasCertificate({ certificate }: ListenerTls): boolean {
  return certificate !== undefined;
}

/**
 * Options of an `https` server, which speaks HTTP/1.1 and nothing else.
 *
 * @throws Error when OpenSSL does not use the certificate, for example since its key is too short.
 */
export function listenerTlsOptions(tls: ListenerTls) {
  const context = { ...tlsOptions(tls), minVersion: 'TLSv1.2' as const };
  createSecureContext(context);
  return { ...context, ALPNProtocols: ['http/1.1'], handshakeTimeout: HANDSHAKE_TIMEOUT_MS };
}

/** How long a client may take for the handshake: a stop waits for those in progress. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
