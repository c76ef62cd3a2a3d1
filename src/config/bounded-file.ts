import { closeSync, openSync, readSync } from 'node:fs';

/** Reads a file as UTF-8 text. Throws an error with the code `EFBIG` if it has more than `maxBytes` or is endless. */
export function readBoundedFile(path: string, maxBytes: number): string {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(maxBytes + 1);
    let length = 0;
    let read: number;
    do {
      read = readSync(file, bytes, length, bytes.length - length, null);
      length += read;
    } while (read > 0 && length < bytes.length);
    if (length > maxBytes) throw Object.assign(new Error('the file is too large'), { code: 'EFBIG' });
    return bytes.toString('utf8', 0, length);
  } finally {
    closeSync(file);
  }
}
