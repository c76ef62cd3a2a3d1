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
      // pino writes the level first. Reading a character also makes one string of a line that V8 keeps as a tree of its parts:
      // while lines wait to be written, each collection of garbage would copy all the parts.
      const letter = line[LEVEL_AT];
      if (letter !== 'w' && letter !== 'e' && letter !== 'f') return;
      lines.push(line);
      if (lines.length > MAX_PROBLEMS) lines.shift();
    },
    list: () => lines.map(readProblem),
  };
}

function readProblem(line: string): Problem {
  const fields: unknown = JSON.parse(line);
  const textOf = (name: string) => readText(fields, name);
  const cause = readText(readField(fields, 'err'), 'message');
  const texts = { requestId: textOf('requestId'), code: textOf('code'), reason: textOf('reason'), cause };
  return {
    time: textOf('time') ?? '',
    level: textOf('level') ?? '',
    msg: textOf('msg') ?? '',
    ...Object.fromEntries(Object.entries(texts).filter(([, value]) => value !== undefined)),
  };
}

function readField(fields: unknown, name: string): unknown {
  return typeof fields === 'object' && fields !== null ? Reflect.get(fields, name) : undefined;
}

function readText(fields: unknown, name: string): string | undefined {
  const value = readField(fields, name);
  return typeof value === 'string' ? value : undefined;
}
