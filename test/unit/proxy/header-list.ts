/** The values of a field in a flat list of names and values, in order. */
export function valuesOf(flat: readonly string[], name: string): string[] {
  return flat.filter((_value, at) => at % 2 === 1 && flat[at - 1]?.toLowerCase() === name);
}

/** The names in a flat list of names and values, in lower case. */
export function namesOf(flat: readonly string[]): string[] {
  return flat.filter((_name, at) => at % 2 === 0).map((name) => name.toLowerCase());
}
