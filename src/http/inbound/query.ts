/** Returns a parameter's value, or undefined when the parameter is absent, empty or repeated. */
export function onlyValue(query: URLSearchParams, name: string): string | undefined {
  const [value, ...others] = query.getAll(name);
  return others.length > 0 || value === '' ? undefined : value;
}
