import type { RedisAccess } from '../config/schema/redis-access.ts';
import type { RedisAddress } from '../redis/client.ts';
import { speaksRedis, speaksTls } from './connection.ts';
import { causesOf, explainConnection, reasonOf } from './reason.ts';

const PROBE_MS = 2_000;

/** The reason why Redis cannot be used, and the key of the configuration to correct. Without secrets. */
export async function explainStore(
  error: unknown,
  address: RedisAddress,
  access: RedisAccess,
): Promise<string> {
  const messages = causesOf(error).flatMap((one) => [
    one.message,
    // The reason that ioredis 6 gives for a cluster is not a cause.
    'lastNodeError' in one && one.lastNodeError instanceof Error ? one.lastNodeError.message : '',
  ]);
  const reason = messages.findLast((message) => message !== '') ?? reasonOf(error);
  const has = (pattern: RegExp) => messages.some((message) => pattern.test(message));
  const key = passwordKey(messages, address, access);

  if (has(/WRONGPASS|invalid password/i)) return `${reason}; correct ${key}`;
  if (has(/NOAUTH|HELLO must be called with the client already authenticated/i))
    return `${reason}; Redis requires a password: set ${key}`;
  const explained = explainConnection(error, { tlsKey: 'session.tls', ca: access.tls.ca });
  const [server] = serversOf(address);
  if (server === undefined) return explained;
  const { host, port } = server;
  if (isPlain(address) && (await speaksTls(host, port, PROBE_MS)))
    return `${reason}; it speaks TLS at this port: write rediss instead of redis in session.store`;
  if (!isPlain(address) && (await speaksRedis(host, port, PROBE_MS)))
    return `${reason}; it does not speak TLS at this port: write redis instead of rediss in session.store`;
  return explained;
}

/** Where the password is that Redis, or a Sentinel, was sent. */
function passwordKey(messages: readonly string[], address: RedisAddress, access: RedisAccess): string {
  if (address.kind === 'sentinel' && messages.some((message) => message.startsWith('All sentinels')))
    return 'session.sentinelPassword';
  if (access.password !== undefined) return 'session.password';
  const inAddress = address.kind === 'redis' ? new URL(address.url).password : address.access.password;
  return inAddress === undefined || inAddress === ''
    ? 'session.password'
    : 'the password in session.store (percent-encoded there), or use session.password';
}

function isPlain(address: RedisAddress): boolean {
  return address.kind === 'redis' ? !address.url.startsWith('rediss:') : !address.access.tls;
}

function serversOf(address: RedisAddress): readonly { host: string; port: number }[] {
  switch (address.kind) {
    case 'redis': {
      const { hostname, port } = new URL(address.url);
      return [{ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 6379) }];
    }
    case 'sentinel':
      return address.sentinels;
    case 'cluster':
      return address.nodes;
  }
}
