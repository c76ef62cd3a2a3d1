import { setTimeout as sleep } from 'node:timers/promises';
import type { ProviderResponse } from './messages.ts';
import type { Endpoint } from './metadata.ts';

/** Before a request is processed (nothing has happened yet), or after (only the answer is wanting). */
export type Moment = 'before' | 'after';

/** An answer given in place of the right one. */
export type Fault = ProviderResponse & {
  /** For the next so many requests; for all when absent. */
  times?: number;
  /** `before` (the default) answers without processing; `after` processes first, and so may rotate. */
  when?: Moment;
};

/** A gate at which requests wait. */
export type Hold = {
  /** Resolves when so many requests, one by default, are waiting. */
  waiting(count?: number): Promise<void>;
  /** Lets all pass, and opens the gate for good. */
  release(): void;
};

/** What may go wrong, switched on by a test: an answer assigned to an endpoint, or one of the functions. */
export type Faults = {
  [endpoint in Endpoint]?: Fault;
} & {
  /** Answers so much later. The request is processed at once. 0 turns it off. */
  delayMs(endpoint: Endpoint, ms: number): void;
  /** Makes requests wait, by default before they are processed. */
  hold(endpoint: Endpoint, when?: Moment): Hold;
  /** Cuts the connection of the next requests without processing them. */
  dropBefore(endpoint: Endpoint, times?: number): void;
  /** Processes the next requests, then cuts the connection without an answer. */
  dropAfterProcessing(endpoint: Endpoint, times?: number): void;
  /** Switches every fault off, and opens every gate. */
  clear(): void;
};

/** What comes of a request: an answer, or a connection that is cut. */
export type Outcome = ProviderResponse | 'dropped';

/** The faults, and the way through them. */
export type FaultLine = {
  readonly faults: Faults;
  /** Takes one request to `endpoint` through the faults around `work`. */
  pass(endpoint: Endpoint, work: () => Promise<ProviderResponse>): Promise<Outcome>;
};

type Gate = Hold & { arrive(): Promise<void> };

/** Starts with no fault. */
export function createFaults(): FaultLine {
  const gates = new Map<string, Gate>();
  const drops = new Map<string, number>();
  const delays = new Map<Endpoint, number>();
  const used = new WeakMap<Fault, number>();

  const takeDrop = (endpoint: Endpoint, when: Moment) => {
    const key = `${when} ${endpoint}`;
    const left = drops.get(key) ?? 0;
    if (left > 0) drops.set(key, left - 1);
    return left > 0;
  };

  const takeFault = (endpoint: Endpoint, when: Moment): Fault | undefined => {
    const fault = faults[endpoint];
    if (fault === undefined || (fault.when ?? 'before') !== when) return undefined;
    const uses = (used.get(fault) ?? 0) + 1;
    used.set(fault, uses);
    if (uses >= (fault.times ?? Infinity)) delete faults[endpoint];
    return fault;
  };

  const faults: Faults = {
    delayMs: (endpoint, ms) => delays.set(endpoint, ms),
    hold: (endpoint, when = 'before') => {
      const key = `${when} ${endpoint}`;
      gates.get(key)?.release();
      const gate = createGate();
      gates.set(key, gate);
      return gate;
    },
    dropBefore: (endpoint, times = 1) => drops.set(`before ${endpoint}`, times),
    dropAfterProcessing: (endpoint, times = 1) => drops.set(`after ${endpoint}`, times),
    clear: () => {
      for (const gate of gates.values()) gate.release();
      for (const kept of [gates, drops, delays]) kept.clear();
      for (const [name, value] of Object.entries(faults)) {
        if (typeof value !== 'function') delete faults[name as Endpoint];
      }
    },
  };

  return {
    faults,
    pass: async (endpoint, work) => {
      await gates.get(`before ${endpoint}`)?.arrive();
      if (takeDrop(endpoint, 'before')) return 'dropped';
      const refusal = takeFault(endpoint, 'before');
      const response = refusal ?? (await work());
      await gates.get(`after ${endpoint}`)?.arrive();
      const delay = delays.get(endpoint) ?? 0;
      if (delay > 0) await sleep(delay, undefined, { ref: false });
      if (takeDrop(endpoint, 'after')) return 'dropped';
      return takeFault(endpoint, 'after') ?? response;
    },
  };
}

function createGate(): Gate {
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  const watchers: { count: number; notify: () => void }[] = [];
  let arrived = 0;

  return {
    arrive: () => {
      arrived += 1;
      for (const { count, notify } of watchers) if (arrived >= count) notify();
      return opened;
    },
    waiting: (count = 1) =>
      new Promise((resolve) => {
        if (arrived >= count) resolve();
        else watchers.push({ count, notify: resolve });
      }),
    release: open,
  };
}
