import { onTestFinished } from 'vitest';
import { createKeyRing, type KeyRing } from '../../../src/crypto/key-ring.ts';
import { createSealedCookies } from '../../../src/crypto/sealed-cookie.ts';
import { createMetrics, type Metrics } from '../../../src/observability/metrics.ts';
import type { Provider, SignIn } from '../../../src/provider/provider.ts';
import { createReadCache } from '../../../src/sessions/read-cache.ts';
import { createRevocations } from '../../../src/sessions/revocation/revocation.ts';
import type { SessionRecord } from '../../../src/sessions/session.ts';
import { createTaskTracker } from '../../../src/concurrency/task-tracker.ts';
import { createSessions, type Sessions } from '../../../src/sessions/service.ts';
import { createTickets, type Tickets } from '../../../src/sessions/ticket.ts';
import { noPeerKeys } from '../../../src/sessions/store/redis/peer-keys.ts';
import { createPendingWrites } from '../../../src/sessions/pending-writes.ts';
import { collectLog, type LogLines } from '../log-lines.ts';
import { silentAudit } from '../silent-audit.ts';
import { openTestStore, type TestStore } from './sample.ts';

/** The session service of a gateway with a memory store. */
export type SessionsFixture = {
  readonly sessions: Sessions;
  readonly store: TestStore;
  readonly tickets: Tickets;
  readonly keyRing: KeyRing;
  readonly metrics: Metrics;
  readonly lines: LogLines['lines'];
  /** The revoked refresh tokens, in order. */
  readonly revoked: string[];
  /** Signs a user in; returns the Cookie header of the browser. */
  signIn(given?: Partial<SignIn>): Promise<string>;
  /** The record of the session that a Cookie header names; throws if there is none. */
  recordOf(cookie: string): Promise<SessionRecord>;
};

/** The limits of the sessions, in milliseconds. */
export const IDLE_MS = 1_800_000;
export const ABSOLUTE_MS = 43_200_000;

/** `clock` is the clock of the test. Closed with the test: its timers would count in those of later files. */
export function openSessions(clock: () => number, { maxAge = 5_000, maxPerUser = 0 } = {}): SessionsFixture {
  const store = openTestStore(clock);
  const { log, lines } = collectLog();
  const metrics = createMetrics();
  const keyRing = createKeyRing(['a-session-secret-Wd8kPz4RmX7vNq2TbL6h']);
  const revoked: string[] = [];
  const issuer = 'https://login.example.com';
  const provider = {
    issuer,
    async revoke(refreshToken: string) {
      revoked.push(refreshToken);
      return { kind: 'revoked' };
    },
  } as unknown as Provider;
  const tickets = createTickets({
    seals: createSealedCookies(keyRing, 'session-cookie'),
    secure: true,
    sameSite: 'strict',
    persistent: false,
    remembered: 100,
  });
  const sessions = createSessions({
    issuer,
    store,
    cache: createReadCache({ store, maxAge, maxEntries: 100, clock }),
    tickets,
    revocations: createRevocations({ provider, durable: undefined, leaseMs: 30_000, clock, log }),
    pendingWrites: createPendingWrites({ store, clock, log }),
    peerKeys: noPeerKeys,
    backgroundTasks: createTaskTracker(),
    idleTimeout: IDLE_MS,
    absoluteTimeout: ABSOLUTE_MS,
    maxPerUser,
    clock,
    log,
    metrics,
    audit: silentAudit,
  });
  // Not awaited: what still runs may wait for the timers of the test.
  onTestFinished(() => void sessions.settle());

  return {
    sessions,
    store,
    tickets,
    keyRing,
    metrics,
    lines,
    revoked,
    async signIn(given = {}) {
      const { setCookie } = await sessions.start({
        issuer: 'https://login.example.com',
        subject: 'ada',
        claims: { sub: 'ada', name: 'Ada' },
        tokenResponse: { accessToken: 'at-1', expiresInSeconds: 300, refreshToken: 'rt-1', idToken: 'id-1' },
        sentAtMs: clock(),
        ...given,
      });
      return setCookie.slice(0, setCookie.indexOf(';'));
    },
    async recordOf(cookie) {
      const reading = await sessions.load(cookie);
      if (reading.kind !== 'live') throw new Error(`the session is ${reading.kind}`);
      return reading.session;
    },
  };
}

/** The value of a metric with the given labels. */
export async function meter(
  metrics: Metrics,
  name: string,
  labels: Record<string, string> = {},
): Promise<number> {
  const values = (await metrics.registry.getSingleMetric(name)?.get())?.values ?? [];
  const found = values.find((value) =>
    Object.entries(labels).every(
      ([label, text]) => (value.labels as Record<string, unknown>)[label] === text,
    ),
  );
  return found?.value ?? 0;
}
