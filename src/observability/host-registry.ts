import type { OpenMetricsContentType, Registry } from 'prom-client';

/** A registry of the host of the gateway, for Prometheus or OpenMetrics text. */
export type HostRegistry = Registry | Registry<OpenMetricsContentType>;

/**
 * Registers metrics in the host's registry as well. Returns a function that removes them. Throws if the registry has one of
 * that name: the counts of two gateways cannot be told apart there.
 */
export function shareMetrics(own: Registry, names: readonly string[], host: HostRegistry): () => void {
  if (names.some((name) => host.getSingleMetric(name) !== undefined))
    throw new Error(
      'the registry already has the metrics of a gateway; give each gateway a registry of its own, or close the other one first',
    );
  for (const metric of names.map((name) => own.getSingleMetric(name))) {
    if (metric !== undefined) host.registerMetric(metric);
  }
  return () => {
    for (const name of names) host.removeSingleMetric(name);
  };
}
