import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { isIPv4 } from 'node:net';

/** A certificate and its private key, both in PEM. */
export type Identity = { readonly key: string; readonly cert: string };

/** An authority that a test makes for itself, trusted by nobody else. */
export type CertificateAuthority = {
  /** Its own certificate, in PEM. */
  readonly certificate: string;
  /** Issues a certificate for host names and IPv4 addresses, or for a client, which needs none. */
  issue(...names: string[]): Identity;
};

/** Makes an authority with a P-256 key. Its certificates are valid from yesterday until tomorrow (RFC 5280). */
export function createCertificateAuthority(name = 'Authority of a test'): CertificateAuthority {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = { name, key: privateKey };
  return {
    certificate: certificateOf({ subject: name, publicKey, extensions: [isAuthority], issuer }),
    issue(...names) {
      const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const extensions = names.length === 0 ? [] : [alternativeNames(names)];
      const [subject = 'client'] = names;
      return {
        cert: certificateOf({ subject, publicKey: own.publicKey, extensions, issuer }),
        key: String(own.privateKey.export({ format: 'pem', type: 'pkcs8' })),
      };
    },
  };
}

type CertificateContent = {
  subject: string;
  publicKey: KeyObject;
  extensions: Buffer[];
  issuer: { name: string; key: KeyObject };
};

function certificateOf({ subject, publicKey, extensions, issuer }: CertificateContent): string {
  const dayMs = 86_400_000;
  const content = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ecdsaWithSha256,
    distinguishedName(issuer.name),
    sequence(time(Date.now() - dayMs), time(Date.now() + dayMs)),
    distinguishedName(subject),
    publicKey.export({ format: 'der', type: 'spki' }),
    ...(extensions.length === 0 ? [] : [tagged(0xa3, sequence(...extensions))]),
  );
  const signature = sign('sha256', content, issuer.key);
  const der = sequence(content, ecdsaWithSha256, tagged(0x03, Buffer.from([0]), signature));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

/** One DER value: the tag, the length and the content (X.690). */
function tagged(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const long = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...(length < 0x80 ? [length] : long)]), content]);
}

function sequence(...parts: Buffer[]): Buffer {
  return tagged(0x30, ...parts);
}

function integer(bytes: Buffer): Buffer {
  return tagged(0x02, bytes);
}

function identifier(hex: string): Buffer {
  return tagged(0x06, Buffer.from(hex, 'hex'));
}

/** A `UTCTime`. */
function time(atMs: number): Buffer {
  const text = new Date(atMs).toISOString().replace(/^\d\d|[-:T]|\.\d+/g, '');
  return tagged(0x17, Buffer.from(text));
}

/** A name that is only a common name (2.5.4.3). */
function distinguishedName(name: string): Buffer {
  return sequence(tagged(0x31, sequence(identifier('550403'), tagged(0x0c, Buffer.from(name)))));
}

/** 2.5.29.17 */
function alternativeNames(names: readonly string[]): Buffer {
  const entries = names.map((name) =>
    isIPv4(name) ? tagged(0x87, Buffer.from(name.split('.').map(Number))) : tagged(0x82, Buffer.from(name)),
  );
  return sequence(identifier('551d11'), tagged(0x04, sequence(...entries)));
}

/** 1.2.840.10045.4.3.2 */
const ecdsaWithSha256 = sequence(identifier('2a8648ce3d040302'));

/** 2.5.29.19, critical: `cA` is true. */
const isAuthority = sequence(
  identifier('551d13'),
  tagged(0x01, Buffer.from([0xff])),
  tagged(0x04, sequence(tagged(0x01, Buffer.from([0xff])))),
);
