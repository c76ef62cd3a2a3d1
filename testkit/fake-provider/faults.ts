import { setTimeout as sleep } from 'node:timers/promises';
import type { ProviderResponse } from './messages.ts';
import type { Endpoint } from './endpoints/metadata.ts';

/** Whether a fault applies before a request is processed, or after it, so that only the response is lost. */
export type Moment = 'before' | 'after';

/** A response that replaces the correct one. */
export type Fault = ProviderResponse & {
  /** The number of requests it applies to; all when absent. */
  times?: number;
  /** `before` (the default) responds without processing; `after` processes first, so a token may be rotated. */
  when?: Moment;
};

/** A gate that holds requests back. */
export type Hold = {
  /** Resolves when this many requests (default: one) are waiting. */
  waiting(count?: number): Promise<void>;
  /** Releases all requests and opens the gate permanently. */
  release(): void;
};

/** The faults that a test can switch on: a response assigned to an endpoint, or one of the functions. */
export type Faults = {
  [endpoint in Endpoint]?: Fault;
} & {
  /** Delays responses; requests are processed at once. 0 turns it off. */
  delayMs(endpoint: Endpoint, ms: number): void;
  /** Makes requests wait, by default before they are processed. */
  hold(endpoint: Endpoint, when?: Moment): Hold;
  /** Cuts the connection of the next requests without processing them. */
  dropBefore(endpoint: Endpoint, times?: number): void;
  /** Processes the next requests, then cuts the connection without a response. */
  dropAfterProcessing(endpoint: Endpoint, times?: number): void;
  /** Switches every fault off, and opens every gate. */
  clear(): void;
};

/** The outcome of a request: a response, or a cut connection. */
export type Outcome = ProviderResponse | 'dropped';

/** The faults, and the function that applies them. */
export type FaultLine = {
  readonly faults: Faults;
  /** Runs `work` for a request to `endpoint`, applying the faults around it. */
  pass(endpoint: Endpoint, work: () => Promise<ProviderResponse>): Promise<Outcome>;
};

type Gate = Hold & { arrive(): Promise<void> };

/** Creates the fault line with no fault. */
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
