import type { KeyPath } from './key-path.ts';

/** Something wrong at one place of the configuration; its line in the file is not known yet. */
export type ConfigIssue = {
  path: KeyPath;
  message: string;
  /** Set where a rule or another issue depends on it. */
  kind?: 'unknown key' | 'missing key';
  /** The known key that an unknown one probably means. */
  intended?: string;
};

/** True when the value at a path was read without an issue, so that a rule between keys may use it. */
export type IsValid = (...path: KeyPath) => boolean;
