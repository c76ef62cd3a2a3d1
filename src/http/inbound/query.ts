/** A parameter's value when it is there once, and is not empty. */
export function onlyValue(query: URLSearchParams, name: string): string | undefined {
  const [value, ...others] = query.getAll(name);
  return others.length > 0 || value === '' ? undefined : value;
}
