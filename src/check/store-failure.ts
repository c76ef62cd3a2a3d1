import type { RedisAccess } from '../config/schema/redis-access.ts';
import type { RedisAddress } from '../redis/client.ts';
import { speaksRedis, speaksTls, tryConnection } from './connection.ts';
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
  const key = passwordKey(messages, address, access);
  return explainReply(messages, reason, key) ?? explainTransport(error, reason, address, access);
}

/** What a Redis or a Sentinel refuses; undefined when nothing has been refused. */
function explainReply(messages: readonly string[], reason: string, passwordKey: string): string | undefined {
  const has = (pattern: RegExp) => messages.some((message) => pattern.test(message));
  if (has(/WRONGPASS|invalid password/i)) return `${withoutRetry(reason)}; correct ${passwordKey}`;
  if (has(/NOAUTH|HELLO must be called with the client already authenticated/i))
    return `it requires a password: set ${passwordKey}`;
  if (has(/No such master with that name/))
    return 'no Sentinel knows a primary of this name: correct the name at the end of session.store';
  if (has(/NOPERM .*'select' command/))
    return `${reason}; grant +select with ACL SETUSER, or name database 0 in session.store`;
  if (has(/DB index is out of range/)) return `${reason}; correct the database in session.store`;
  return undefined;
}

async function explainTransport(
  error: unknown,
  reason: string,
  address: RedisAddress,
  access: RedisAccess,
): Promise<string> {
  const explain = (failure: unknown) =>
    explainConnection(failure, { tlsKey: 'session.tls', ca: access.tls.ca });
  const [server] = serversOf(address);
  if (server === undefined) return explain(error);
  const { host, port } = server;
  if (isPlain(address) && (await speaksTls(host, port, PROBE_MS)))
    return `${withoutRetry(reason)}; it speaks TLS at this port: write rediss instead of redis in session.store`;
  if (!isPlain(address) && (await speaksRedis(host, port, PROBE_MS)))
    return `${withoutRetry(reason)}; it does not speak TLS at this port: write redis instead of rediss in session.store`;
  // ioredis hides the alert of a server that requires a client certificate, and why no Sentinel can be reached.
  const url = `${isPlain(address) ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
  return tryConnection(url, access.tls, PROBE_MS).then(() => explain(error), explain);
}

/** Without what only matters to a client that tries again. */
function withoutRetry(reason: string): string {
  return reason.replace(/ Retrying from scratch after \d+ms\./, '');
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
