/** A buffer that appends at the end and removes from the start, without copying all bytes at each step. */
export type ByteBuffer = {
  append(bytes: Buffer): void;
  /** All bytes held; valid until the next call. */
  view(): Buffer;
  /** Removes bytes from the start and returns a copy. */
  take(length: number): Buffer;
};

/** Starts empty. */
export function createByteBuffer(): ByteBuffer {
  let storage = Buffer.alloc(64 * 1024);
  let start = 0;
  let end = 0;

  return {
    append: (bytes) => {
      if (end + bytes.length > storage.length) {
        const grown = Buffer.alloc(Math.max(storage.length * 2, end - start + bytes.length));
        end = storage.copy(grown, 0, start, end);
        storage = grown;
        start = 0;
      }
      bytes.copy(storage, end);
      end += bytes.length;
    },
    view: () => storage.subarray(start, end),
    take: (length) => {
      const taken = Buffer.from(storage.subarray(start, start + length));
      start += taken.length;
      return taken;
    },
  };
}
