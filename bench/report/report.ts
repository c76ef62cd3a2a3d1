/** A table; its first column names what the row is about, and the others are figures. */
export type Table = { title: string; columns: readonly string[]; rows: readonly (readonly string[])[] };

/** What is told of one subject. */
export type Report = {
  tables: readonly Table[];
  /** Whole sentences: the ratios that matter, and what a reader must know. */
  statements: readonly string[];
  /** Everything that went wrong, one line each. Nothing is measured rightly while there is one. */
  errors: readonly string[];
};

/** Tells counted errors, one line a kind. */
export function errorLines(where: string, errors: Readonly<Record<string, number>>): string[] {
  return Object.entries(errors).map(([what, count]) => `${where}: ${count} × ${what}`);
}
