import { GatewayError } from '../errors.ts';
import { hasDotSegment } from '../http/inbound/target.ts';

/** Whether a reading of a path belongs to the route of the path as received. */
type RouteChecks = {
  /** For an upstream that decodes the path, drops parameters and empty segments, and splits off a query or fragment. */
  readonly plain: (reading: string) => boolean;
  /** For one that also folds Unicode, before or after it drops parameters. */
  readonly folded: (reading: string) => boolean;
};

/**
 * Characters that an upstream may normalize or ignore when it interprets a path: encodings, parameters, empty segments,
 * letter case, and trailing dots, blanks or stream names in a segment.
 */
const ambiguous = /[%;A-Z:]|\/\/|\.(?:\/|$)/;

/** How many rounds of decoding to check. There must be a limit, as each "25" after a "%" adds a round. */
const DECODINGS = 3;

/** True for a path with more than one reading. */
export function isAmbiguous(path: string): boolean {
  return ambiguous.test(path);
}

/**
 * True if the checks hold for the path as upstreams may read it, after each round of decoding. Throws `bad_request` for a dot
 * segment that only the folding shows; `parseTarget` rejects every other one.
 */
export function everyReading(path: string, isOfRoute: RouteChecks): boolean {
  let plain = path;
  let folded: readonly string[] = [];
  if (!isOfRoute.plain(plain)) return false;
  for (let round = 0; round < DECODINGS; round += 1) {
    const decoded = decode(plain);
    plain = simplify(decoded);
    if (!withPrefix(plain).every(isOfRoute.plain)) return false;
    if (folded.length > 0 || !isAscii(decoded)) {
      folded = foldAll([decoded, plain, ...folded.map(decode)]);
      if (!folded.flatMap(withPrefix).every(isOfRoute.folded)) return false;
    }
    if (!plain.includes('%') && !folded.some((reading) => reading.includes('%'))) break;
  }
  return true;
}

function foldAll(readings: readonly string[]): string[] {
  return [...new Set(readings.map(foldUnicode))].map(simplifyFolded);
}

function decode(path: string): string {
  return path.replace(/%([0-9A-Fa-f]{2})/g, (_whole, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

function simplify(path: string): string {
  return path.replace(/;[^/]*/g, '').replace(/\/{2,}/g, '/');
}

/**
 * A reading, and its part before a query or a fragment.
 *
 * SECURITY: an upstream that decodes a path before it splits a URL reads one there (CVE-2026-41059).
 */
function withPrefix(reading: string): string[] {
  const end = reading.search(/[?#]/);
  return end === -1 ? [reading] : [reading, reading.slice(0, end)];
}

function isAscii(bytes: string): boolean {
  return !/[\x80-\xff]/.test(bytes);
}

/** Characters without a glyph, such as the soft hyphen, which a comparison may ignore. */
const ignorable = /\p{Default_Ignorable_Code_Point}/gu;

/** Combining marks, and the two letters that normalization turns into some; without the dot that an "İ" leaves in lower case. */
const marks = /(?!\u0307)[\p{M}\uff9e\uff9f]/gu;

/**
 * Reads bytes as UTF-8, and folds what upstreams take for ASCII when they ignore letter case or normalize: full-width forms,
 * the dotless i, the long s, the Kelvin sign, the no-break space. Returns bytes again, for the next decoding.
 *
 * SECURITY: sorting a long run of combining marks takes quadratic time. A segment with a mark equals no segment of a route,
 * so each mark becomes a replacement character first. Dropping segments from the end, or long ones, would not do: a folded
 * character can be a slash, or nothing.
 */
function foldUnicode(bytes: string): string {
  if (isAscii(bytes)) return bytes;
  const text = Buffer.from(bytes, 'latin1').toString().replace(ignorable, '').replace(marks, '\ufffd');
  const folded = text.normalize('NFKC').toUpperCase().toLowerCase();
  return Buffer.from(folded.replaceAll('\u0307', '').replaceAll('\\', '/')).toString('latin1');
}

/** SECURITY: an upstream that resolves a folded dot segment leaves the route, or the base path of its upstream. */
function simplifyFolded(path: string): string {
  if (hasDotSegment(path)) {
    throw new GatewayError('bad_request', {
      detail: 'The path contains a dot segment when Unicode is folded.',
    });
  }
  return simplify(path);
}
