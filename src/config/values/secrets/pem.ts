import { createPrivateKey, X509Certificate } from 'node:crypto';
import { text } from '../scalar.ts';

const block = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const expectedCertificates = 'expected one or more certificates in PEM';
const expectedKey = 'expected an unencrypted private key in PEM';

/** One or more certificates in PEM, kept as text. */
export function certificates() {
  return text(expectedCertificates).refine(
    (pem) => readCertificates(pem) !== undefined,
    expectedCertificates,
  );
}

/** The private key of a certificate in PEM, not encrypted, kept as text. */
export function certificateKey() {
  return text(expectedKey).refine((pem) => readKey(pem) !== undefined, expectedKey);
}

/** True when a valid private key does not belong to the first of valid certificates. */
export function isOtherKey(certificate: string, key: string): boolean {
  const [leaf] = readCertificates(certificate) ?? [];
  const privateKey = readKey(key);
  return leaf !== undefined && privateKey !== undefined && !leaf.checkPrivateKey(privateKey);
}

function readCertificates(pem: string): X509Certificate[] | undefined {
  try {
    const found = (pem.match(block) ?? []).map((each) => new X509Certificate(each));
    return found.length === 0 ? undefined : found;
  } catch {
    return undefined;
  }
}

function readKey(pem: string) {
  try {
    return createPrivateKey(pem);
  } catch {
    // SECURITY: the parser's message may quote the key.
    return undefined;
  }
}
