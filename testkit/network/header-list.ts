/** Header fields in the order and spelling in which they came over the wire. */
export type HeaderList = [name: string, value: string][];

/** Pairs up what node:http gives as `rawHeaders` or `rawTrailers`. */
export function headerListOf(raw: readonly string[]): HeaderList {
  const list: HeaderList = [];
  for (let at = 0; at < raw.length; at += 2) list.push([raw[at] ?? '', raw[at + 1] ?? '']);
  return list;
}

/** All values of a field, whatever the case of its name. */
export function valuesOf(list: HeaderList, name: string): string[] {
  const wanted = name.toLowerCase();
  return list.filter(([given]) => given.toLowerCase() === wanted).map(([, value]) => value);
}

/** The value of a field, several being joined by a comma (RFC 9110, section 5.3); undefined when it is absent. */
export function valueOf(list: HeaderList, name: string): string | undefined {
  const values = valuesOf(list, name);
  return values.length === 0 ? undefined : values.join(', ');
}
