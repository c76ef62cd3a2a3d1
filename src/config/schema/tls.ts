import type { z } from 'zod';
import { certificateKey, certificates, isOtherKey } from '../values/secrets/pem.ts';
import { shaped } from '../values/scalar.ts';
import { section } from './declaration/section.ts';

/** How the gateway connects by TLS: whom it trusts, and the certificate that it shows. All in PEM. */
export type ClientTls = {
  readonly ca?: string;
  readonly certificate?: string;
  readonly key?: string;
  readonly serverName?: string;
};

/** The keys of a {@link ClientTls}; `peer` is a phrase for the server. */
export function clientTlsKeys(peer: string) {
  return {
    ca: certificates()
      .exactOptional()
      .meta({
        description: `The CA certificates, in PEM, that the gateway accepts for ${peer}, instead of those that Node.js trusts.`,
        example: '${file:/etc/ssl/private-ca.pem}',
        misplacedSecret: true,
      }),
    certificate: certificates()
      .exactOptional()
      .meta({
        description: `The client certificate that the gateway presents to ${peer}, in PEM, followed by its intermediate certificates.`,
        example: '${file:/run/secrets/client.crt}',
        misplacedSecret: true,
      }),
    key: certificateKey().exactOptional().meta({
      description: 'The private key of the client certificate, in PEM, not encrypted.',
      example: '${file:/run/secrets/client.key}',
      secret: true,
    }),
  };
}

/** A `tls` section of a connection that the gateway opens. */
export function clientTls(peer: string) {
  return section(clientTlsKeys(peer)).superRefine(checkKeyPair);
}

/** The `tls` section of the public listener. */
export function listenerTls() {
  return section({
    certificate: certificates().exactOptional().meta({
      description:
        'The certificate of the public listener, in PEM, followed by its intermediate certificates.',
      example: '${file:/run/secrets/tls.crt}',
      misplacedSecret: true,
    }),
    key: certificateKey().exactOptional().meta({
      description: 'The private key of the certificate, in PEM, not encrypted.',
      example: '${file:/run/secrets/tls.key}',
      secret: true,
    }),
  }).superRefine(checkKeyPair);
}

/** The `tls` section of a route. */
export function upstreamTls() {
  const serverName = shaped(
    /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?$/,
    'expected a host name, without port',
  );
  return section({
    ...clientTlsKeys('the upstream'),
    serverName: serverName.exactOptional().meta({
      description:
        'The name that the certificate of the upstream must have, also sent as SNI. By default the host of `upstream`.',
      example: 'api.internal',
    }),
  }).superRefine(checkKeyPair);
}

/** Options of `tls.connect`. */
export function tlsOptions({ ca, certificate, key }: ClientTls): {
  ca?: string;
  cert?: string;
  key?: string;
} {
  return {
    ...(ca !== undefined && { ca }),
    ...(certificate !== undefined && { cert: certificate }),
    ...(key !== undefined && { key }),
  };
}

/** The certificate and the key are a pair, or both absent. */
export function checkKeyPair(
  { certificate, key }: Pick<ClientTls, 'certificate' | 'key'>,
  context: z.core.$RefinementCtx,
): void {
  const issue = (path: 'certificate' | 'key', message: string) =>
    context.addIssue({ code: 'custom', path: [path], message });
  if (certificate === undefined && key === undefined) return;
  if (certificate === undefined) issue('certificate', 'missing or empty; key requires it');
  else if (key === undefined) issue('key', 'missing or empty; certificate requires it');
  else if (isOtherKey(certificate, key)) issue('key', 'not the private key of the certificate');
}
