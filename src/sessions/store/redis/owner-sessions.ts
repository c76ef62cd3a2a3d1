import type { SessionRecord } from '../../session.ts';
import { compareNames, type Position } from '../position.ts';
import type { IndexEntry, RedisIndex } from './subject-index.ts';
import type { SessionStore } from '../store.ts';

/** How many entries are read at once, so that an owner with many sessions does not delay other requests. */
const KEYS_AT_ONCE = 200;

/** The sessions of an owner in Redis. Removes index entries whose session has ended. */
export function createRedisOwnerSessions(deps: {
  index: RedisIndex;
  /** Loads a session; undefined if this process cannot open its record. */
  load: (key: string) => Promise<SessionRecord | 'gone' | undefined>;
  /** Reads the idle limit and the end of a session, which are not encrypted; null if it has ended. */
  readLimits: (key: string) => Promise<readonly (string | null)[]>;
  clock: () => number;
}): Pick<SessionStore, 'page' | 'count' | 'keys'> {
  const { index, load, readLimits, clock } = deps;

  const loadEntry = async (entry: IndexEntry): Promise<SessionRecord | undefined> => {
    const record = await load(entry.key);
    if (record !== 'gone') return record;
    await index.removeStale(entry).catch(() => undefined);
    return undefined;
  };

  const isLive = async (entry: IndexEntry): Promise<boolean> => {
    const [idle = null, end = null] = await readLimits(entry.key);
    if (idle === null) await index.removeStale(entry).catch(() => undefined);
    return idle !== null && clock() < Math.min(Number(idle), Number(end));
  };

  return {
    count: index.count,

    async page(owner, limit, after) {
      const entries = await index.entries(owner, limit + 1, after);
      const examined = entries.slice(0, limit);
      const loaded = await Promise.all(examined.map(loadEntry));
      const records = loaded.filter((record) => record !== undefined);
      return { records, next: entries.length > limit ? examined.at(-1) : undefined };
    },

    async keys(owner) {
      const live: IndexEntry[] = [];
      let after: Position | undefined;
      do {
        const entries = await index.entries(owner, KEYS_AT_ONCE, after);
        const areLive = await Promise.all(entries.map(isLive));
        live.push(...entries.filter((_entry, at) => areLive[at]));
        after = entries.length === KEYS_AT_ONCE ? entries.at(-1) : undefined;
      } while (after !== undefined);
      return live.toSorted((a, b) => compareNames(a.name, b.name)).map(({ key }) => key);
    },
  };
}
