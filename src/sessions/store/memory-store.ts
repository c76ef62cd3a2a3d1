import {
  sessionView,
  livesUntilMs,
  ownersOf,
  sessionRecord,
  type Owner,
  type SessionRecord,
} from '../session.ts';
import type { MarkerSubject, SessionChange, SessionStore } from './store.ts';

/** How often ended records are swept out, in milliseconds. */
const SWEEP_MS = 30_000;

/** Sessions in this process, which end with it: for demos, tests and the first look. */
export function createMemoryStore(deps: { clock: () => number }): SessionStore {
  const { clock } = deps;
  const records = new Map<string, SessionRecord>();
  const keysOf = new Map<string, Set<string>>();
  const notes = new Map<string, { text: string; expiresAtMs: number }>();
  const listeners: ((change: SessionChange | undefined) => void)[] = [];
  let generation = 0;

  const drop = (record: SessionRecord) => {
    records.delete(record.key);
    for (const name of ownersOf(record.data).map(nameOfOwner)) {
      const keys = keysOf.get(name);
      keys?.delete(record.key);
      if (keys?.size === 0) keysOf.delete(name);
    }
  };
  const live = (key: string): SessionRecord | undefined => {
    const record = records.get(key);
    if (record === undefined) return undefined;
    if (clock() < livesUntilMs(record)) return record;
    drop(record);
    return undefined;
  };
  const readNote = (name: string): string | undefined => {
    const note = notes.get(name);
    if (note !== undefined && clock() < note.expiresAtMs) return note.text;
    notes.delete(name);
    return undefined;
  };
  const announce = (change: SessionChange | undefined) => listeners.forEach((listener) => listener(change));
  const sweep = setInterval(() => {
    [...records.keys()].forEach(live);
    [...notes.keys()].forEach(readNote);
  }, SWEEP_MS);
  sweep.unref();

  return {
    loadRecord: async (key) => live(key),
    async loadView(key) {
      const record = live(key);
      return record && sessionView(record);
    },
    async create(key, data, idleExpiresAtMs) {
      const stamped = generation === 0 ? data : { ...data, generation };
      records.set(key, sessionRecord({ key, data: stamped, version: 1, idleExpiresAtMs }));
      for (const name of ownersOf(data).map(nameOfOwner)) {
        keysOf.set(name, (keysOf.get(name) ?? new Set()).add(key));
      }
    },
    async replace(key, data, expectedVersion) {
      const record = live(key);
      if (record === undefined) return 'gone';
      if (record.version !== expectedVersion) return 'conflict';
      const version = expectedVersion + 1;
      records.set(key, sessionRecord({ ...record, data, version }));
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
      drop(record);
      announce({ kind: 'ended', key, version: record.version });
      return record;
    },
    async ofOwner(owner) {
      const keys = keysOf.get(nameOfOwner(owner)) ?? [];
      return [...keys].map(live).filter((record) => record !== undefined);
    },

    async beginGeneration() {
      generation = Math.max(clock(), generation + 1);
      announce(undefined);
    },
    generation: () => generation,

    async putMarker(subject, text, ttlMs) {
      notes.set(nameOf(subject), { text, expiresAtMs: clock() + ttlMs });
    },
    getMarker: async (subject) => readNote(nameOf(subject)),

    isSubscribed: () => true,
    onChange: (listener) => void listeners.push(listener),
    async ping() {},
    wasReachable: () => true,
    async close() {
      clearInterval(sweep);
      for (const kept of [records, keysOf, notes]) kept.clear();
    },
  };
}

function nameOf(subject: MarkerSubject): string {
  return JSON.stringify(subject);
}

function nameOfOwner({ kind, issuer, id }: Owner): string {
  return nameOf([kind, issuer, id]);
}
