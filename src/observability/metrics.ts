import { collectDefaultMetrics, Registry, type MetricObject } from 'prom-client';
import { shareMetrics, type HostRegistry } from './host-registry.ts';
import { createRequestMetrics, type RequestMetrics } from './metrics/requests.ts';
import { createServiceMetrics, type BreakerState, type ServiceMetrics } from './metrics/services.ts';
import { createSessionMetrics, type SessionMetrics } from './metrics/sessions.ts';

/** The gateway's metrics. Each call is cheap enough for every request. Metric names and labels are public contract. */
export type Metrics = RequestMetrics &
  SessionMetrics &
  ServiceMetrics & {
    registry: Registry;
    /** Gives the sources of the gauges that are read at each scrape. They must not wait. */
    readFrom(sources: GaugeSources): void;
    /** The values of all metrics, as plain data. */
    snapshot(): Promise<MetricObject[]>;
    /** Removes the metrics from the host's registry. */
    close(): void;
  };

export type GaugeSources = {
  openWebSockets(): number;
  /** The number of keys in the store, if it is known. */
  storeKeys(): number | undefined;
  breakers(): readonly BreakerState[];
};

const nothing: GaugeSources = {
  openWebSockets: () => 0,
  storeKeys: () => undefined,
  breakers: () => [],
};

/**
 * Creates the metrics in their own registry, so that two gateways in one process do not share counts. The registry of a host
 * gets them as well, but for those of the process, which are the host's.
 */
export function createMetrics(host?: HostRegistry): Metrics {
  const registry = new Registry();
  const names = () => registry.getMetricsAsArray().map(({ name }) => name);
  // Under the names that every Node.js dashboard knows.
  collectDefaultMetrics({ register: registry });
  const ofProcess = new Set(names());

  let sources = nothing;
  const requests = createRequestMetrics(registry, { openWebSockets: () => sources.openWebSockets() });
  const sessions = createSessionMetrics(registry);
  const services = createServiceMetrics(registry, {
    breakers: () => sources.breakers(),
    storeKeys: () => sources.storeKeys(),
  });

  const close =
    host &&
    shareMetrics(
      registry,
      names().filter((name) => !ofProcess.has(name)),
      host,
    );

  return {
    ...requests.metrics,
    ...sessions,
    ...services,
    registry,
    readFrom(given) {
      sources = given;
    },
    snapshot: async () => requests.exemplars.addTo(await registry.getMetricsAsJSON()),
    close: () => close?.(),
  };
}
