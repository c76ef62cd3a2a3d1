import { createKeyRing } from '../../crypto/key-ring.ts';
import type { ClaimSelection } from './claim-selection.ts';
import {
  sessionView,
  livesUntilMs,
  ownersOf,
  sessionRecord,
  type Owner,
  type SessionRecord,
} from '../session.ts';
import { compareNames, comparePositions, entryName, parseEntryName } from './position.ts';
import type { MarkerSubject, SessionChange, SessionStore } from './store.ts';

/** The time between two sweeps of expired records, in milliseconds. */
const SWEEP_MS = 30_000;

/** Sessions in memory, lost when the process exits: for demos, tests and trying the gateway out. */
export function createMemoryStore(deps: {
  clock: () => number;
  claimSelection?: Pick<ClaimSelection, 'names'>;
}): SessionStore {
  const { clock } = deps;
  const records = new Map<string, SessionRecord>();
  const keysByOwner = new Map<string, Set<string>>();
  const markers = new Map<string, { text: string; expiresAtMs: number }>();
  /** The sendings of refresh tokens without a response; `owner` is that of the last spend mark, until it is removed. */
  const unanswered = new Map<string, { count: number; lastAtMs: number; owner: string | undefined }>();
  const listeners: ((change: SessionChange | undefined) => void)[] = [];
  let generation = 0;

  const drop = (record: SessionRecord) => {
    records.delete(record.key);
    unanswered.delete(record.key);
    for (const name of ownersOf(record.data).map(ownerName)) {
      const keys = keysByOwner.get(name);
      keys?.delete(record.key);
      if (keys?.size === 0) keysByOwner.delete(name);
    }
  };
  const getLive = (key: string): SessionRecord | undefined => {
    const record = records.get(key);
    if (record === undefined) return undefined;
    if (clock() < livesUntilMs(record)) return record;
    drop(record);
    return undefined;
  };
  const liveOf = (owner: Owner): SessionRecord[] =>
    [...(keysByOwner.get(ownerName(owner)) ?? [])].map(getLive).filter((record) => record !== undefined);
  const getMarkerText = (name: string): string | undefined => {
    const marker = markers.get(name);
    if (marker !== undefined && clock() < marker.expiresAtMs) return marker.text;
    markers.delete(name);
    return undefined;
  };
  const announce = (change: SessionChange | undefined) => listeners.forEach((listener) => listener(change));
  const sweep = setInterval(() => {
    [...records.keys()].forEach(getLive);
    [...markers.keys()].forEach(getMarkerText);
  }, SWEEP_MS);
  sweep.unref();

  return {
    countKeys: async () => records.size + keysByOwner.size + markers.size,
    loadRecord: async (key) => getLive(key),
    loadForRefresh: async (key) => getLive(key),
    async loadView(key) {
      const record = getLive(key);
      return record && sessionView(record, deps.claimSelection?.names());
    },
    isUnreadable: () => false,
    async create(key, data, idleExpiresAtMs, predecessors = [], onStored) {
      const predecessor = predecessors.find(
        (earlier) => getLive(earlier)?.data.tokens.refreshToken === data.tokens.refreshToken,
      );
      const sendings = predecessor === undefined ? undefined : unanswered.get(predecessor);
      if (sendings !== undefined) unanswered.set(key, { ...sendings, owner: undefined });
      const stamped = generation === 0 ? data : { ...data, generation };
      records.set(key, sessionRecord({ key, data: stamped, version: 1, idleExpiresAtMs }));
      for (const name of ownersOf(data).map(ownerName)) {
        keysByOwner.set(name, (keysByOwner.get(name) ?? new Set()).add(key));
      }
      await onStored?.();
    },
    async replace(key, data, expectedVersion, condition) {
      const record = getLive(key);
      if (record === undefined) return 'gone';
      if (record.version !== expectedVersion) return 'conflict';
      const version = expectedVersion + 1;
      records.set(key, sessionRecord({ ...record, data, version }));
      if (condition !== 'unless_marked') unanswered.delete(key);
      announce({ kind: 'changed', key, version });
      return 'replaced';
    },
    // No other process uses this store, and its locks do not expire.
    async markSpend({ key, version, owner, unanswered: allowed }) {
      const record = getLive(key);
      if (record === undefined) return { kind: 'gone' };
      if (record.version !== version) return { kind: 'conflict' };
      const { count = 0, lastAtMs = 0 } = unanswered.get(key) ?? {};
      if (count > allowed) return { kind: 'unanswered', count, lastMs: clock() - lastAtMs };
      unanswered.set(key, { count: count + 1, lastAtMs: clock(), owner });
      return { kind: 'marked' };
    },
    async unmarkSpend(key, owner, sending) {
      const sent = unanswered.get(key);
      if (sent?.owner !== owner) return;
      const count = sending === 'answered' ? sent.count - 1 : sent.count;
      if (count === 0) unanswered.delete(key);
      else unanswered.set(key, { ...sent, count, owner: undefined });
    },
    async touch(key, idleExpiresAtMs) {
      const record = getLive(key);
      if (record === undefined) return false;
      if (idleExpiresAtMs > record.idleExpiresAtMs) records.set(key, { ...record, idleExpiresAtMs });
      return true;
    },
    async remove(key) {
      const record = getLive(key);
      if (record === undefined) return undefined;
      drop(record);
      announce({ kind: 'ended', key, version: record.version });
      return record;
    },
    async page(owner, limit, after) {
      const positions = liveOf(owner)
        .map(({ key, data }) => ({
          key,
          endsAtMs: data.absoluteExpiresAtMs,
          name: entryName(data.createdAtMs, key),
        }))
        .filter((position) => after === undefined || comparePositions(position, after) > 0)
        .toSorted(comparePositions);
      const examined = positions.slice(0, limit);
      const records = examined.map(({ key }) => getLive(key)).filter((record) => record !== undefined);
      return { records, next: positions.length > limit ? examined.at(-1) : undefined };
    },
    count: async (owner) => liveOf(owner).length,
    async keys(owner) {
      const names = liveOf(owner).map(({ key, data }) => entryName(data.createdAtMs, key));
      return names.toSorted(compareNames).map((name) => parseEntryName(name).key);
    },

    async *removeSealedBy({ removed }) {
      const removedKeys = createKeyRing(removed).all('session-cookie');
      for (const { key, data } of records.values()) {
        if (!removedKeys.some(({ id }) => id === data.ticketKeyId)) continue;
        const record = getLive(key);
        if (record === undefined) continue;
        drop(record);
        announce({ kind: 'ended', key, version: record.version });
        yield { key, data };
      }
    },

    async scan() {
      const live = [...records.keys()].map(getLive).filter((record) => record !== undefined);
      return { sessions: live.map(({ data }) => data), next: undefined };
    },

    async beginGeneration() {
      generation = Math.max(clock(), generation + 1);
      announce(undefined);
    },
    generation: () => generation,

    async putMarker(subject, text, ttlMs, condition) {
      const name = subjectName(subject);
      const isPresent = getMarkerText(name) !== undefined;
      if (condition !== undefined && isPresent !== (condition === 'if_present')) return false;
      markers.set(name, { text, expiresAtMs: clock() + ttlMs });
      return true;
    },
    getMarker: async (subject) => getMarkerText(subjectName(subject)),
    async takeMarker(subject) {
      const name = subjectName(subject);
      const text = getMarkerText(name);
      markers.delete(name);
      return text;
    },

    isSubscribed: () => true,
    onChange: (listener) => void listeners.push(listener),
    onReconnect: () => undefined,
    async ping() {},
    wasReachable: () => true,
    isReachable: () => true,
    async close() {
      clearInterval(sweep);
      for (const map of [records, keysByOwner, markers]) map.clear();
    },
  };
}

function subjectName(subject: MarkerSubject): string {
  return JSON.stringify(subject);
}

function ownerName({ kind, issuer, id }: Owner): string {
  return subjectName([kind, issuer, id]);
}
