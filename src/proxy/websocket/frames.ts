/** Follows the frames of one direction of a WebSocket, so that a frame of ours can be put between two of them. */
export type FrameTracker = {
  /** Takes the next bytes of the stream; returns the position after the last frame that ends in them, or 0. */
  feed(chunk: Buffer): number;
  /** True between two frames. */
  isBetweenFrames(): boolean;
};

/** Tracks unmasked frames, as a server sends them (RFC 6455, section 5.2). */
export function createFrameTracker(): FrameTracker {
  /** The received part of a header, its length as known so far, and the length of the payload. */
  let seen = 0;
  let headerLength = 2;
  let length = 0;
  /** The missing part of a payload. */
  let rest = 0;

  const readHeader = (byte: number) => {
    seen += 1;
    if (seen === 2) {
      const short = byte & 0x7f;
      headerLength = short === 126 ? 4 : short === 127 ? 10 : 2;
      length = headerLength === 2 ? short : 0;
    } else if (seen > 2) length = length * 256 + byte;
    if (seen < headerLength) return;
    rest = length;
    seen = 0;
    headerLength = 2;
  };

  return {
    feed(chunk) {
      let at = 0;
      let boundary = 0;
      while (at < chunk.length) {
        if (rest > 0) {
          const taken = Math.min(rest, chunk.length - at);
          rest -= taken;
          at += taken;
        } else {
          readHeader(chunk[at] ?? 0);
          at += 1;
        }
        if (rest === 0 && seen === 0) boundary = at;
      }
      return boundary;
    },
    isBetweenFrames: () => seen === 0 && rest === 0,
  };
}

/** A close frame of a server (RFC 6455, section 5.5.1). */
export function closeFrame(code: number): Buffer {
  return Buffer.from([0x88, 0x02, code >> 8, code & 0xff]);
}
