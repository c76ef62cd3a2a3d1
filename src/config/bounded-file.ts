import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/**
 * Reads a file as UTF-8 text. Throws an error with the code `EFBIG` if it has more than `maxBytes`, or `ENOTREG` if it is not a
 * regular file: a pipe or a terminal would keep the process waiting for a writer.
 */
export function readBoundedFile(path: string, maxBytes: number): string {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(file);
    if (!stats.isFile() && !stats.isDirectory())
      throw Object.assign(new Error('the file is not a regular file'), { code: 'ENOTREG' });
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
