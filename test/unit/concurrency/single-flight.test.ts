import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createSingleFlight } from '../../../src/concurrency/single-flight.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** Flights that take off and land as the test says. */
function openFlights() {
  const flights = createSingleFlight<string>();
  const started: { takeOff: () => void; land: (where: string) => void }[] = [];
  const board = (name: string) =>
    flights.run(name, (takeOff) => {
      const { promise, resolve } = Promise.withResolvers<string>();
      started.push({ takeOff, land: resolve });
      return promise;
    });
  return { flights, board, started };
}

describe('a flight', () => {
  it('is one for all who board it, and each name has its own (G6)', async () => {
    const { flights, board, started } = openFlights();
    const boarded = [board('a'), board('a'), board('b')];
    expect(started).toHaveLength(2);
    expect([flights.isRunning('a'), flights.isRunning('b'), flights.isRunning('c')]).toEqual([
      true,
      true,
      false,
    ]);
    started[0]?.land('here');
    started[1]?.land('there');
    expect(await Promise.all(boarded.map((flight) => flight.waitFor(1_000)))).toEqual([
      'here',
      'here',
      'there',
    ]);
  });

  it('is over when it has landed, and the next one is another', async () => {
    const { flights, board, started } = openFlights();
    const first = board('a');
    started[0]?.land('here');
    await first.waitFor(1_000);
    expect(flights.isRunning('a')).toBe(false);
    board('a');
    expect(started).toHaveLength(2);
  });

  it('is waited for so long from when it takes off (G24)', async () => {
    const { board, started } = openFlights();
    const seen: (string | undefined)[] = [];
    void board('a')
      .waitFor(1_000)
      .then((landing) => seen.push(landing));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(seen).toEqual([]);
    started[0]?.takeOff();
    await vi.advanceTimersByTimeAsync(999);
    expect(seen).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(seen).toEqual([undefined]);
  });

  it('goes on for the others when one gives up (G24)', async () => {
    const { flights, board, started } = openFlights();
    const patient = board('a').waitFor(10_000);
    const hasty = board('a').waitFor(100);
    started[0]?.takeOff();
    await vi.advanceTimersByTimeAsync(100);
    expect(await hasty).toBeUndefined();
    expect(flights.isRunning('a')).toBe(true);
    started[0]?.land('here');
    expect(await patient).toBe('here');
  });

  it('may land without having taken off', async () => {
    const { board, started } = openFlights();
    const landing = board('a').waitFor(1_000);
    started[0]?.land('nowhere');
    expect(await landing).toBe('nowhere');
  });

  it('leaves no timer behind', async () => {
    const { board, started } = openFlights();
    const landing = board('a').waitFor(1_000);
    started[0]?.takeOff();
    await vi.advanceTimersByTimeAsync(10);
    started[0]?.land('here');
    await landing;
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('settling flights', () => {
  it('waits until those under way have landed', async () => {
    const { flights, board, started } = openFlights();
    board('a');
    board('b');
    let settled = false;
    const settling = flights.settle().then(() => (settled = true));
    started[0]?.land('here');
    await vi.advanceTimersByTimeAsync(1_000);
    expect(settled).toBe(false);
    started[1]?.land('there');
    await settling;
  });
});
