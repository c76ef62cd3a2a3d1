/** A table; its first column names what the row is about, and the others are figures. */
export type Table = { title: string; columns: readonly string[]; rows: readonly (readonly string[])[] };

/** The report of one subject. */
export type Report = {
  tables: readonly Table[];
  /** Sentences with the important ratios and remarks. */
  statements: readonly string[];
  /** Errors, one line each. A measurement with errors is not valid. */
  errors: readonly string[];
};

/** Formats counted errors, one line per kind. */
export function errorLines(where: string, errors: Readonly<Record<string, number>>): string[] {
  return Object.entries(errors).map(([what, count]) => `${where}: ${count} × ${what}`);
}
