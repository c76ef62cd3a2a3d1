import { createLogger, type Logger } from '../../src/observability/log.ts';

/** A log that a test can read. */
export type LogLines = {
  readonly log: Logger;
  /** What was written, one text a line. */
  readonly lines: readonly string[];
};

/** Opens a log that keeps its lines. */
export function collectLog(level: 'trace' | 'info' = 'trace'): LogLines {
  const lines: string[] = [];
  const log = createLogger({ level, format: 'json' }, { write: (line: string) => void lines.push(line) });
  return { log, lines };
}
