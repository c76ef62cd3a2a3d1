import type { ConfigIssue, IsValid } from '../diagnostics/issue.ts';
import type { StoreAddress } from '../values/store-address.ts';
import type { RedisAccess } from './redis-access.ts';

const keys = ['username', 'password', 'sentinelUsername', 'sentinelPassword'] as const;

/** Each credential is in one place, and of use to the configured store. Paths are relative to `session`, whose store is valid. */
export function* redisAccessRules(
  { store, ...access }: RedisAccess & { readonly store: StoreAddress },
  isValid: IsValid,
): Iterable<ConfigIssue> {
  const inAddress = credentialsIn(store);
  for (const key of keys) {
    if (!isValid(key) || access[key] === undefined) continue;
    const issue = (message: string): ConfigIssue => ({ path: [key], message });
    if (store.kind === 'memory') yield issue('session.store is memory:, which does not use it; remove it');
    else if (key.startsWith('sentinel') && store.kind !== 'sentinel')
      yield issue('only session.store redis+sentinel: uses it; remove it');
    else if (inAddress.has(key)) yield issue(`session.store has a ${key} as well; keep one of them`);
  }
  if (isValid('tls') && Object.keys(access.tls).length > 0 && !usesTls(store))
    yield { path: ['tls'], message: 'session.store does not use TLS; write rediss instead of redis in it' };
}

function credentialsIn(store: StoreAddress): ReadonlySet<string> {
  if (store.kind === 'memory') return new Set();
  const found = store.kind === 'redis' ? new URL(store.url) : store.access;
  return new Set(['username', 'password'].filter((key) => isFilled(Reflect.get(found, key))));
}

function isFilled(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

function usesTls(store: StoreAddress): boolean {
  if (store.kind === 'memory') return false;
  return store.kind === 'redis' ? store.url.startsWith('rediss:') : store.access.tls;
}
