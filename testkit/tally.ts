/** Counts how often each value comes, such as `{ 200: 198, 503: 2 }` of statuses. */
export function tallyOf(values: Iterable<string | number>): Record<string, number> {
  const tally: Record<string, number> = {};
  for (const value of values) tally[value] = (tally[value] ?? 0) + 1;
  return tally;
}
