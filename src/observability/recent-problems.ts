/** What the console shows of a log line of level warn, error or fatal. */
export type Problem = {
  readonly time: string;
  readonly level: string;
  readonly msg: string;
  readonly requestId?: string;
  readonly code?: string;
  readonly reason?: string;
  /** The message of the error. */
  readonly cause?: string;
};

/** The newest problems of a log. */
export type RecentProblems = {
  /** Called with every line of the log: cheap for one that is no problem. */
  see(line: string): void;
  /** The oldest first. */
  list(): readonly Problem[];
};

const LEVEL_AT = '{"level":"'.length;
const MAX_PROBLEMS = 50;

export function createRecentProblems(): RecentProblems {
  const lines: string[] = [];
  return {
    see(line) {
      // pino writes the level first.
      const letter = line[LEVEL_AT];
      if (letter !== 'w' && letter !== 'e' && letter !== 'f') return;
      lines.push(line);
      if (lines.length > MAX_PROBLEMS) lines.shift();
    },
    list: () => lines.map(readProblem),
  };
}

function readProblem(line: string): Problem {
  const fields = JSON.parse(line) as Record<string, unknown>;
  const { err } = fields;
  const cause = typeof err === 'object' && err !== null && 'message' in err ? err.message : undefined;
  const texts = ['requestId', 'code', 'reason'].map((name) => [name, fields[name]] as const);
  const known = [...texts, ['cause', cause] as const].filter(([, value]) => typeof value === 'string');
  return {
    time: String(fields['time']),
    level: String(fields['level']),
    msg: String(fields['msg']),
    ...Object.fromEntries(known),
  };
}
