/** The parts of a log line that the demo uses. */
export interface LogLine {
  /** `info`, `warn` and so on. */
  level: string;
  /** The message of the line. */
  message: string;
  /** The address, on lines that report a listener. */
  url?: string;
}

/** Reads a line of the log. Anything but a JSON object becomes an error with its text. */
export function parseLogLine(written: string): LogLine {
  const line = parseObject(written);
  if (line === undefined) return { level: 'error', message: written };
  const { level, msg, url, err } = line;
  const cause = isObject(err) && typeof err.message === 'string' ? `: ${err.message}` : '';
  return {
    level: typeof level === 'string' ? level : 'info',
    message: (typeof msg === 'string' ? msg : '') + cause,
    ...(typeof url === 'string' && { url }),
  };
}

/** Whether the line is important to the person at the terminal. */
export function isTrouble({ level }: LogLine): boolean {
  return level === 'warn' || level === 'error' || level === 'fatal';
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return isObject(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
