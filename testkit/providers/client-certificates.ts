import { X509Certificate } from 'node:crypto';
import { TLSSocket, type PeerCertificate } from 'node:tls';
import type { JWK } from 'jose';
import type { Configuration } from 'oidc-provider';

type MutualTls = NonNullable<NonNullable<Configuration['features']>['mTLS']>;

/** Client authentication by the certificate of the connection, to which the access tokens are bound (RFC 8705). */
export const clientCertificates: MutualTls = {
  enabled: true,
  certificateBoundAccessTokens: true,
  selfSignedTlsClientAuth: true,
  tlsClientAuth: true,
  getCertificate: ({ socket }) => pemOf(certificateOf(socket)),
  certificateAuthorized: ({ socket }) => socket instanceof TLSSocket && socket.authorized,
  certificateSubjectMatches: ({ socket }, property, expected) =>
    property === 'tls_client_auth_subject_dn' &&
    expected === `CN=${String(certificateOf(socket)?.subject.CN)}`,
};

/** The aliases of oidc-provider's endpoints at another origin (RFC 8705, section 5). */
export function aliasesAt(origin: string): Record<string, string> {
  return {
    token_endpoint: `${origin}/token`,
    revocation_endpoint: `${origin}/token/revocation`,
    userinfo_endpoint: `${origin}/me`,
    pushed_authorization_request_endpoint: `${origin}/request`,
  };
}

/** The public key of a certificate as a JWK that names the certificate, for `self_signed_tls_client_auth`. */
export function jwkOfCertificate(certificate: string): JWK {
  const { publicKey, raw } = new X509Certificate(certificate);
  return { ...publicKey.export({ format: 'jwk' }), x5c: [raw.toString('base64')] } as JWK;
}

/** The thumbprint in `x5t#S256` of a token that is bound to the certificate of a connection. */
export function thumbprintOf(socket: unknown): string | undefined {
  const certificate = certificateOf(socket);
  return (
    certificate && Buffer.from(certificate.fingerprint256.replaceAll(':', ''), 'hex').toString('base64url')
  );
}

function certificateOf(socket: unknown): PeerCertificate | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const certificate = socket.getPeerCertificate();
  return certificate.raw === undefined ? undefined : certificate;
}

function pemOf(certificate: PeerCertificate | undefined): string | undefined {
  return certificate && new X509Certificate(certificate.raw).toString();
}
