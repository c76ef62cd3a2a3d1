import type { Problem } from '../config/config-error.ts';
import type { FileTexts } from '../config/sources.ts';

/** The configuration file as it was read once, with every file that it names. */
export type Reading<Settings> = {
  readonly texts: FileTexts;
  /** All files, whether they could be read or not. */
  readonly paths: readonly string[];
  readonly result:
    { readonly settings: Settings } | { readonly problems: readonly Problem[] } | { readonly error: unknown };
};
