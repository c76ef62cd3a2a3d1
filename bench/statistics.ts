/** The quantile of sorted values by nearest rank; NaN for an empty list. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
}

/** The median; NaN for an empty list. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted.length >> 1;
  const lower = sorted.length % 2 === 0 ? upper - 1 : upper;
  return ((sorted[lower] ?? NaN) + (sorted[upper] ?? NaN)) / 2;
}

/** The median of the ratios per round: both samples of a round saw the same machine load. */
export function medianRatio<Sample>(
  samples: readonly Sample[],
  others: readonly Sample[] | undefined,
  read: (sample: Sample) => number,
): number {
  return median(
    samples.map((sample, round) => {
      const other = others?.[round];
      return other === undefined ? NaN : read(sample) / read(other);
    }),
  );
}

/** Adds up counts by name. */
export function addUp(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const [name, count] of counts.flatMap((each) => Object.entries(each))) {
    sum[name] = (sum[name] ?? 0) + count;
  }
  return sum;
}
