/** Buckets for durations, in seconds. */
export const SECONDS_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Caches the child metric of each label set: prom-client 15 hashes the labels on every call. There are few label sets. */
export function cachedByLabels<Child>(make: (a: string, b: string, c: string) => Child) {
  const children = new Map<string, Child>();
  return (a: string, b = '', c = ''): Child => {
    const key = `${a}\n${b}\n${c}`;
    let child = children.get(key);
    if (child === undefined) children.set(key, (child = make(a, b, c)));
    return child;
  };
}
