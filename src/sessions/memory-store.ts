import { sessionEndsAtMs, type StoredSession } from './session.ts';
import type { SessionChange, SessionStore } from './store.ts';

/** How often ended records are swept out, in milliseconds. */
const SWEEP_MS = 30_000;

/** Sessions in this process, which end with it: for demos, tests and the first look. */
export function createMemoryStore(deps: { clock: () => number }): SessionStore {
  const { clock } = deps;
  const records = new Map<string, StoredSession>();
  const listeners: ((change: SessionChange | undefined) => void)[] = [];

  const live = (key: string): StoredSession | undefined => {
    const record = records.get(key);
    if (record === undefined) return undefined;
    if (clock() < Math.min(record.idleExpiresAtMs, sessionEndsAtMs(record.session))) return record;
    records.delete(key);
    return undefined;
  };
  const announce = (change: SessionChange) => listeners.forEach((listener) => listener(change));
  const sweep = setInterval(() => [...records.keys()].forEach(live), SWEEP_MS);
  sweep.unref();

  return {
    async load(key) {
      return live(key);
    },
    async create(key, session, idleExpiresAtMs) {
      records.set(key, { key, session, version: 1, idleExpiresAtMs });
    },
    async replace(key, session, expectedVersion) {
      const record = live(key);
      if (record === undefined) return 'gone';
      if (record.version !== expectedVersion) return 'conflict';
      const version = expectedVersion + 1;
      records.set(key, { ...record, session, version });
      announce({ kind: 'changed', key, version });
      return 'replaced';
    },
    async touch(key, idleExpiresAtMs) {
      const record = live(key);
      if (record === undefined) return false;
      if (idleExpiresAtMs > record.idleExpiresAtMs) records.set(key, { ...record, idleExpiresAtMs });
      return true;
    },
    async remove(key) {
      const record = live(key);
      if (record === undefined) return undefined;
      records.delete(key);
      announce({ kind: 'ended', key, version: record.version });
      return record;
    },
    hearsChanges: () => true,
    onChange: (listener) => void listeners.push(listener),
    async ping() {},
    wasReachable: () => true,
    async close() {
      clearInterval(sweep);
      records.clear();
    },
  };
}
