/** Buckets for durations, in seconds. */
export const SECONDS_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Keeps what is created for each set of labels. There are few of them, so a map in a map costs less than one key of them all. */
export function cachedByLabels<Child>(create: (a: string, b: string, c: string) => Child) {
  const children = new Map<string, Map<string, Map<string, Child>>>();
  return (a: string, b = '', c = ''): Child => {
    const known = children.get(a)?.get(b)?.get(c);
    if (known !== undefined) return known;
    const child = create(a, b, c);
    const ofFirst = children.get(a) ?? new Map<string, Map<string, Child>>();
    const ofSecond = ofFirst.get(b) ?? new Map<string, Child>();
    children.set(a, ofFirst.set(b, ofSecond.set(c, child)));
    return child;
  };
}
