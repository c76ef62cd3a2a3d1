/** Counts the occurrences of each value, such as `{ 200: 198, 503: 2 }` for statuses. */
export function countOccurrences(values: Iterable<string | number>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}
