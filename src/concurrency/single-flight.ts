/** A refresh under way, for everybody who waits for it. */
export type Flight<Landing> = {
  /**
   * Gives how it ended, or undefined when it took longer than `patienceMs` from when it took off, or from now if that is
   * later. Who gives up does not end it, and the others go on waiting.
   */
  landing(patienceMs: number): Promise<Landing | undefined>;
};

/** Flights by name, one at a time for each, however many ask for it. */
export type Flights<Landing> = {
  isUnderWay(name: string): boolean;
  /**
   * Joins the flight of this name, or starts it by `fly`, which calls `takeOff` when what it had to wait for is there
   * and which never rejects.
   */
  board(name: string, fly: (takeOff: () => void) => Promise<Landing>): Flight<Landing>;
  /** Settles when those that are under way have landed. */
  settle(): Promise<void>;
};

/**
 * Patience is measured in so many steps. A process that was stopped finds all its timers due before it has read what
 * came meanwhile: of the time in which it was stopped no more than one step counts.
 */
const STEPS = 4;

export function createFlights<Landing>(): Flights<Landing> {
  const flights = new Map<string, Flight<Landing> & { landed: Promise<Landing> }>();

  return {
    isUnderWay: (name) => flights.has(name),

    board(name, fly) {
      const underWay = flights.get(name);
      if (underWay !== undefined) return underWay;
      const { promise: inTheAir, resolve: takeOff } = Promise.withResolvers<void>();
      const landed = fly(takeOff).finally(() => flights.delete(name));
      const flight = {
        landed,
        async landing(patienceMs: number) {
          await Promise.race([inTheAir, landed]);
          for (let step = 0; step < STEPS; step += 1) {
            const landing = await within(landed, patienceMs / STEPS);
            if (landing !== undefined) return landing;
          }
          return undefined;
        },
      };
      flights.set(name, flight);
      return flight;
    },

    async settle() {
      await Promise.all([...flights.values()].map(({ landed }) => landed));
    },
  };
}

async function within<Result>(promise: Promise<Result>, ms: number): Promise<Result | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => late.resolve(undefined), ms);
  const result = await Promise.race([promise, late.promise]);
  clearTimeout(timer);
  return result;
}
