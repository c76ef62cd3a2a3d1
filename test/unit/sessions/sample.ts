import { sessionRecord, type SessionData, type SessionRecord } from '../../../src/sessions/session.ts';
import type { SessionChange, SessionStore } from '../../../src/sessions/store/store.ts';
import { GatewayError } from '../../../src/errors.ts';
import { createMemoryStore } from '../../../src/sessions/store/memory-store.ts';

/** The data of a session from `nowMs` until an hour later, with an access token for five minutes. */
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

/** The first version of a record, with an idle limit of half an hour. */
export function sampleRecord(nowMs: number, given: Partial<SessionRecord> = {}): SessionRecord {
  return sessionRecord({
    key: 'k1',
    data: sampleData(nowMs),
    version: 1,
    idleExpiresAtMs: nowMs + 1_800_000,
    ...given,
  });
}

/** A memory store that records its operations and can simulate an outage. */
export type TestStore = SessionStore & {
  /** The operations so far, as `name key`. */
  readonly operations: string[];
  /** While true, every operation throws `store_unavailable`. */
  isUnavailable: boolean;
  /** While false, the store may miss changes, as without its subscription. */
  hasSubscription: boolean;
  /** Reports a change by another process to the listeners, or that changes may have been missed. */
  announce(change: SessionChange | undefined): void;
  /** Reports that a lost connection has been restored. */
  reconnect(): void;
};

/** `clock` is the clock of the test. */
export function openTestStore(clock: () => number): TestStore {
  const memory = createMemoryStore({ clock });
  const listeners: ((change: SessionChange | undefined) => void)[] = [];
  const reconnectListeners: (() => void)[] = [];

  const recorded =
    <Rest extends unknown[], Result>(name: string, run: (key: string, ...rest: Rest) => Promise<Result>) =>
    async (key: string, ...rest: Rest): Promise<Result> => {
      store.operations.push(`${name} ${key}`);
      if (store.isUnavailable) throw new GatewayError('store_unavailable');
      return run(key, ...rest);
    };

  const store: TestStore = {
    ...memory,
    operations: [],
    isUnavailable: false,
    hasSubscription: true,
    loadRecord: recorded('loadRecord', memory.loadRecord),
    loadForRefresh: recorded('loadForRefresh', memory.loadForRefresh),
    loadView: recorded('loadView', memory.loadView),
    create: recorded('create', memory.create),
    replace: recorded('replace', memory.replace),
    touch: recorded('touch', memory.touch),
    remove: recorded('remove', memory.remove),
    isSubscribed: () => store.hasSubscription,
    onChange(listener) {
      listeners.push(listener);
      memory.onChange(listener);
    },
    announce: (change) => listeners.forEach((listener) => listener(change)),
    onReconnect: (listener) => void reconnectListeners.push(listener),
    reconnect: () => reconnectListeners.forEach((listener) => listener()),
  };
  return store;
}
