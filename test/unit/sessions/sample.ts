import { sessionRecord, type SessionData, type SessionRecord } from '../../../src/sessions/session.ts';
import type { SessionChange, SessionStore } from '../../../src/sessions/store/store.ts';
import { GatewayError } from '../../../src/errors.ts';
import { createMemoryStore } from '../../../src/sessions/store/memory-store.ts';

/** A session that began at `nowMs` and lives an hour, with an access token of five minutes. */
export function sampleData(nowMs: number, given: Partial<SessionData> = {}): SessionData {
  return {
    issuer: 'https://login.example.com',
    subject: 'ada',
    claims: { sub: 'ada', name: 'Ada' },
    tokens: {
      access: { '': { value: 'at-1', obtainedAtMs: nowMs, expiresAtMs: nowMs + 300_000 } },
      refreshToken: 'rt-1',
      idToken: 'id-1',
    },
    createdAtMs: nowMs,
    absoluteExpiresAtMs: nowMs + 3_600_000,
    ...given,
  };
}

/** A session as a store holds it: its first version, idle in half an hour. */
export function sampleRecord(nowMs: number, given: Partial<SessionRecord> = {}): SessionRecord {
  return sessionRecord({
    key: 'k1',
    data: sampleData(nowMs),
    version: 1,
    idleExpiresAtMs: nowMs + 1_800_000,
    ...given,
  });
}

/** A store in memory that a test can watch and take away. */
export type TestStore = SessionStore & {
  /** The operations asked for so far, as `name key`. */
  readonly operations: string[];
  /** While true every operation fails as in an outage. */
  isAway: boolean;
  /** While false the store may miss changes, as without its subscription. */
  hears: boolean;
  /** Tells the listeners of a change that another process made, or that changes may have been missed. */
  announce(change: SessionChange | undefined): void;
};

/** Opens a store in memory, with a clock of the test's. */
export function openTestStore(clock: () => number): TestStore {
  const memory = createMemoryStore({ clock });
  const listeners: ((change: SessionChange | undefined) => void)[] = [];

  const watched =
    <Rest extends unknown[], Result>(name: string, run: (key: string, ...rest: Rest) => Promise<Result>) =>
    async (key: string, ...rest: Rest): Promise<Result> => {
      store.operations.push(`${name} ${key}`);
      if (store.isAway) throw new GatewayError('store_unavailable');
      return run(key, ...rest);
    };

  const store: TestStore = {
    ...memory,
    operations: [],
    isAway: false,
    hears: true,
    loadRecord: watched('load', memory.loadRecord),
    loadView: watched('look', memory.loadView),
    create: watched('create', memory.create),
    replace: watched('replace', memory.replace),
    touch: watched('touch', memory.touch),
    remove: watched('remove', memory.remove),
    isSubscribed: () => store.hears,
    onChange(listener) {
      listeners.push(listener);
      memory.onChange(listener);
    },
    announce: (change) => listeners.forEach((listener) => listener(change)),
  };
  return store;
}
