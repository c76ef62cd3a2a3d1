/** Returns the message of the root cause in one line; libraries often wrap it ("fetch failed"). */
export function reasonOf(error: unknown): string {
  const [root] = causesOf(error).toReversed();
  if (root === undefined) return 'unknown error';
  // An error of OpenSSL has a message with file names and a line break, and its reason apart.
  if ('reason' in root && typeof root.reason === 'string' && 'library' in root) return root.reason;
  // For a host with several addresses, Node.js throws an AggregateError with a code and an empty message.
  const text = root.message === '' && 'code' in root ? String(root.code) : root.message;
  // Node.js names a flag of its own behind it; the gateway has a key for that.
  return text.replaceAll(/\s+/g, ' ').replace(/; if the root CA is installed locally.*/, '');
}

/** The error and its causes, the outermost first. */
export function causesOf(error: unknown): Error[] {
  const causes: Error[] = [];
  for (let at = error; at instanceof Error && !causes.includes(at); at = at.cause) causes.push(at);
  return causes;
}

const unknownIssuer = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
]);

/**
 * The reason why a connection failed, and what to do about it.
 *
 * @param tlsKey - the section of the configuration with the TLS settings of the connection.
 */
export function explainConnection(
  error: unknown,
  { tlsKey, ca }: { tlsKey: string; ca: string | undefined },
): string {
  const reason = reasonOf(error);
  const advice = reason.startsWith('the proxy ')
    ? 'correct provider.proxy, or the environment that it reads (HTTPS_PROXY, HTTP_PROXY, NO_PROXY)'
    : adviceFor(codeOf(error), { tlsKey, ca });
  return advice === undefined ? reason : `${reason}; ${advice}`;
}

function adviceFor(
  code: string,
  { tlsKey, ca }: { tlsKey: string; ca: string | undefined },
): string | undefined {
  if (unknownIssuer.has(code))
    return ca === undefined
      ? `the CA of its certificate is not among those that Node.js trusts: set ${tlsKey}.ca to that CA`
      : `the CA of its certificate is not among those of ${tlsKey}.ca: add it there`;
  switch (code) {
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return tlsKey.startsWith('routes')
        ? `connect by a name of its certificate, or set ${tlsKey}.serverName to one`
        : 'connect by a name of its certificate';
    case 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED':
    case 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE':
      return `it may require a client certificate: set ${tlsKey}.certificate and ${tlsKey}.key`;
    case 'CERT_HAS_EXPIRED':
      return 'renew its certificate';
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
      return 'it does not speak TLS at this port: correct the port, or the scheme';
    case 'OAUTH_INVALID_RESPONSE':
    case 'OAUTH_PARSE_ERROR':
    case 'OAUTH_RESPONSE_IS_NOT_CONFORM':
    case 'OAUTH_RESPONSE_IS_NOT_JSON':
      return 'no OpenID metadata is there: correct provider.issuer, or set provider.discoveryUrl';
    case 'ECONNREFUSED':
      return 'nothing listens there: start it, or correct the address';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the name does not resolve here: correct it, or the DNS of this machine';
    default:
      return undefined;
  }
}

/** The innermost code of an error. */
function codeOf(error: unknown): string {
  const codes = causesOf(error).flatMap((one) =>
    'code' in one && typeof one.code === 'string' ? [one.code] : [],
  );
  return codes.at(-1) ?? '';
}
