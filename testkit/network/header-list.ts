/** Header fields in the order and spelling of the wire. */
export type HeaderList = [name: string, value: string][];

/** Converts `rawHeaders` or `rawTrailers` of node:http to pairs. */
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
