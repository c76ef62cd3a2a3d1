import type { KeyPath } from './key-path.ts';

/** Something wrong at one place of the configuration; its line in the file is not known yet. */
export type ConfigIssue = { path: KeyPath; message: string };

/** True when the value at a path was read without an issue, so that a rule between keys may use it. */
export type IsValid = (...path: KeyPath) => boolean;
