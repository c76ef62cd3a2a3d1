/** The place of a session in the index of an owner: the index is sorted by the end, and then by the name. */
export type Position = {
  /** The absolute limit of the session (epoch ms), or a millisecond more. */
  readonly endsAtMs: number;
  /** The name of the entry, which begins with the time of the sign-in, so that the older of two sessions comes first. */
  readonly name: string;
};

/** The name of a session in an index. Names sort by the time of the sign-in. */
export function entryName(createdAtMs: number, key: string): string {
  return `${createdAtMs.toString(36).padStart(9, '0')}.${key}`;
}

/** The time of the sign-in (epoch ms) and the session key in an entry name. */
export function parseEntryName(name: string): { createdAtMs: number; key: string } {
  const dot = name.indexOf('.');
  return { createdAtMs: Number.parseInt(name.slice(0, dot), 36), key: name.slice(dot + 1) };
}

export function comparePositions(a: Position, b: Position): number {
  return a.endsAtMs - b.endsAtMs || compareNames(a.name, b.name);
}

/** By code unit, as Redis sorts members of one score. */
export function compareNames(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Writes a position as an opaque cursor. */
export function writeCursor({ endsAtMs, name }: Position): string {
  return Buffer.from(`${endsAtMs} ${name}`).toString('base64url');
}

/** Reads a cursor; gives undefined for any other text. */
export function readCursor(cursor: string): Position | undefined {
  const [, endsAtMs, name] =
    /^(\d{1,16}) ([\w-]{9}\.[\w.-]{1,100})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1')) ?? [];
  return endsAtMs === undefined || name === undefined ? undefined : { endsAtMs: Number(endsAtMs), name };
}
