/** A text of a record: itself, or where its parts begin among the bytes behind the record, and how long each is. */
export type Packed = string | readonly number[];

/** Gathers the bytes behind one record. */
export type Packer = {
  /**
   * Packs a token. The parts of a JWT are base64url (RFC 7515, section 3.1) and take a quarter less room as the bytes they
   * stand for. Any other text is left as it is.
   */
  pack(text: string): Packed;
  bytes(): Buffer;
};

export function createPacker(): Packer {
  const packed: Buffer[] = [];
  let length = 0;
  return {
    pack(text) {
      const parts = text.split('.');
      if (parts.length < 3) return text;
      const bytes = parts.map((part) => Buffer.from(part, 'base64url'));
      // Only what comes back as it was, to the letter.
      if (bytes.some((part, at) => part.toString('base64url') !== parts[at])) return text;
      const start = length;
      packed.push(...bytes);
      length += bytes.reduce((sum, part) => sum + part.length, 0);
      return [start, ...bytes.map((part) => part.length)];
    },
    bytes: () => Buffer.concat(packed),
  };
}

/** Gives a packed text back. */
export function unpack(packed: Packed, bytes: Buffer): string {
  if (typeof packed === 'string') return packed;
  let [at = 0] = packed;
  const parts = packed.slice(1).map((length) => bytes.toString('base64url', at, (at += length)));
  return parts.join('.');
}

/** The payload of a packed JWT, or undefined for what was left as it is. */
export function payloadOf(packed: Packed, bytes: Buffer): string | undefined {
  if (typeof packed === 'string') return undefined;
  const [start = 0, header = 0, payload = 0] = packed;
  return bytes.toString('utf8', start + header, start + header + payload);
}
