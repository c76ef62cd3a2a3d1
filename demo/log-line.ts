/** What the demo reads of one line of the gateway's log. */
export interface LogLine {
  /** `info`, `warn` and so on. */
  level: string;
  /** What the line says, in words. */
  message: string;
  /** On the lines that say where the gateway listens. */
  url?: string;
}

/** Reads a line of the log. Anything but a JSON object is taken as an error, word for word. */
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

/** Whether a line tells of something that the person at the terminal should know. */
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
