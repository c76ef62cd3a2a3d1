import { shaped } from './scalar.ts';

const prefix = /^(?:\/|(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~!$&'()+,;=:@-]+)+)$/;
const belowRoot = /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~!$&'()+,;=:@-]+)+$/;
const onThisOrigin = /^\/(?![/\\])[!-[\]-~]*$/;

/** A path prefix that requests are matched against, segment by segment. */
export function pathPrefix() {
  return shaped(
    prefix,
    'expected a path such as /api, without trailing slash, empty or dot segment, percent-encoding, query or wildcard',
  );
}

/** A path prefix other than the root. */
export function pathPrefixBelowRoot() {
  return shaped(
    belowRoot,
    'expected a path such as /auth, without trailing slash, empty or dot segment, percent-encoding, query or wildcard',
  );
}

/**
 * A path on the gateway's own origin, with or without query and fragment.
 *
 * Browsers treat a second slash or a backslash after the first slash as the start of a host.
 */
export function localPath() {
  return shaped(onThisOrigin, 'expected a path on this origin, such as / or /welcome?first=1');
}

/** True when a path prefix equals another one or lies below it, on segment borders. */
export function isUnder(path: string, parent: string): boolean {
  return path === parent || path.startsWith(parent === '/' ? '/' : `${parent}/`);
}

/**
 * Folds a path like upstreams that ignore letter case and drop the same suffixes of a name as Windows: dots, blanks, and the
 * name of a stream (`::$DATA`). Two paths that fold to the same one can reach the same handler.
 */
export function foldPath(path: string): string {
  return path.toLowerCase().replace(trailing, '');
}

/** Dots and blanks at the end of a segment, with a stream name behind them. Begins before a run of dots only: linear. */
const trailing = /(?<![. ])[. ]*(?::[^/]*)?(?=\/|$)/g;
