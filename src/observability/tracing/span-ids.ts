import { randomBytes } from 'node:crypto';

const ID_DIGITS = 16;
const IDS_PER_READ = 128;

/** Creates random ids of spans: 16 hexadecimal digits each. One read of random bytes is enough for many of them. */
export function createSpanIds(): () => string {
  let digits = '';
  let at = 0;
  return () => {
    if (at === digits.length) {
      digits = randomBytes((IDS_PER_READ * ID_DIGITS) / 2).toString('hex');
      at = 0;
    }
    at += ID_DIGITS;
    return digits.slice(at - ID_DIGITS, at);
  };
}
