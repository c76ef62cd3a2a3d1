/** Follows the frames of one direction of a WebSocket, so that a frame of ours can be put between two of them. */
export type FrameTracker = {
  /** Takes the next bytes of the stream. */
  feed(chunk: Buffer): void;
  /** True between two frames. */
  isBetweenFrames(): boolean;
};

/** Tracks unmasked frames, as a server sends them (RFC 6455, section 5.2). */
export function createFrameTracker(): FrameTracker {
  let header: number[] = [];
  let payload = 0n;

  /** The payload's length when the header is complete, else undefined. */
  const lengthFrom = (bytes: readonly number[]): bigint | undefined => {
    const short = (bytes[1] ?? 0) & 0x7f;
    if (bytes.length < 2) return undefined;
    if (short < 126) return BigInt(short);
    const wide = short === 126 ? 2 : 8;
    if (bytes.length < 2 + wide) return undefined;
    return bytes.slice(2).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  };

  return {
    feed(chunk) {
      let at = 0;
      while (at < chunk.length) {
        if (payload > 0n) {
          const rest = BigInt(chunk.length - at);
          const taken = payload < rest ? payload : rest;
          payload -= taken;
          at += Number(taken);
          continue;
        }
        header.push(chunk[at] ?? 0);
        at += 1;
        const length = lengthFrom(header);
        if (length === undefined) continue;
        payload = length;
        header = [];
      }
    },
    isBetweenFrames: () => header.length === 0 && payload === 0n,
  };
}

/** A close frame of a server (RFC 6455, section 5.5.1). */
export function closeFrame(code: number): Buffer {
  return Buffer.from([0x88, 0x02, code >> 8, code & 0xff]);
}
