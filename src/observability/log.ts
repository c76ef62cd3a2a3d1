import { createRequire } from 'node:module';
import pino, { type DestinationStream, type Logger as PinoLogger } from 'pino';
import type Pretty from 'pino-pretty';
import type { Config } from '../config/schema/schema.ts';
import { createRecentProblems, type Problem, type RecentProblems } from './recent-problems.ts';

export type Logger = PinoLogger;

/** The longest time a line is buffered, in milliseconds. */
const FLUSH_INTERVAL_MS = 50;
/** The maximum length written at once: a write of 4 KiB costs almost as much as one of 64 KiB. */
const MAX_WRITE = 65_536;
/** The maximum where several processes share a pipe, which keeps writes of this size atomic (pipe(7)). */
const MAX_SHARED_WRITE = 4_096;

/** The loggable part of an error and of its causes. */
type LoggedError = { type: string; message: string; code?: string; stack?: string; cause?: LoggedError };

/**
 * Lines are JSON, or readable text when `format` is `pretty`.
 *
 * SECURITY: an allow-list selects the fields of an error. ioredis 6 attaches the arguments of the failed command to its
 * errors (`command.args`: sealed sessions and keys), and openid-client attaches the provider's response (`cause.body`:
 * tokens); the log contains neither. No log line contains headers, bodies, cookies or query strings.
 */
export function createLogger(
  options: Config['log'],
  destination: DestinationStream = openDestination(options),
): Logger {
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: createTimeField(),
      formatters: { level: (level) => ({ level }) },
      serializers: { err: describeError },
    },
    destination,
  );
}

/**
 * A logger of the gateway in the log of its host, which decides about level, format and destination.
 *
 * SECURITY: the host's serializer of errors may write every field of an error; see {@link createLogger}.
 */
export function createHostedLogger(host: Logger): Logger {
  return host.child({}, { serializers: { err: describeError } });
}

/** Standard output, in a format that can change. */
export type LogDestination = Sink & {
  setFormat(format: LogFormat): void;
  readonly recentProblems: RecentProblems;
};

type LogFormat = Config['log']['format'];

/** A destination whose buffer can be written at once. */
type Sink = DestinationStream & { flushSync(): void };

/** Opens standard output; `isShared` when other processes also write to it. */
export function openDestination(options: Config['log'], { isShared = false } = {}): LogDestination {
  const maxWrite = isShared ? MAX_SHARED_WRITE : MAX_WRITE;
  const sinks: Partial<Record<LogFormat, Sink>> = {};
  const sinkOf = (format: LogFormat) => (sinks[format] ??= openSink(format, maxWrite));
  let current = sinkOf(options.format);
  const problems = createRecentProblems();
  return {
    write(line) {
      problems.see(line);
      current.write(line);
    },
    recentProblems: problems,
    flushSync: () => current.flushSync(),
    setFormat(format) {
      const next = sinkOf(format);
      if (next !== current) current.flushSync();
      current = next;
    },
  };
}

/** The newest problems in a log that {@link openDestination} writes; none of the log of a host. */
export function recentProblems(log: Logger): readonly Problem[] {
  return ownDestination(log)?.recentProblems.list() ?? [];
}

/** The destination of a log that {@link openDestination} writes; undefined for the log of a host. */
export function ownDestination(log: Logger): LogDestination | undefined {
  const stream: unknown = Reflect.get(log, pino.symbols.streamSym);
  return isLogDestination(stream) ? stream : undefined;
}

function isLogDestination(stream: unknown): stream is LogDestination {
  return typeof stream === 'object' && stream !== null && 'recentProblems' in stream;
}

function openSink(format: LogFormat, maxWrite: number): Sink {
  if (format === 'json') return bufferLines(pino.destination({ sync: false, maxWrite: maxWrite }), maxWrite);
  // Not at the top: most logs are JSON, and the module takes 1 MB.
  const pretty: typeof Pretty = createRequire(import.meta.url)('pino-pretty');
  const stream = pretty({ sync: true, translateTime: 'SYS:HH:MM:ss.l' });
  return { write: (line) => stream.write(line), flushSync: () => undefined };
}

/**
 * Buffers lines and writes them together: a line costs 2 µs including pino's work, and 5 µs when written alone. Writes the
 * rest when the process exits, and at once after a fatal line.
 */
function bufferLines(sink: Sink, maxWrite: number): Sink {
  let lines: string[] = [];
  let bufferedLength = 0;
  let timer: NodeJS.Timeout | undefined;
  const writeBuffered = () => {
    if (timer === undefined) return;
    clearTimeout(timer);
    timer = undefined;
    process.off('exit', flushSync);
    const text = lines.join('');
    lines = [];
    bufferedLength = 0;
    sink.write(text);
  };
  const flushSync = () => {
    writeBuffered();
    sink.flushSync();
  };
  return {
    write(line) {
      if (bufferedLength + line.length > maxWrite) writeBuffered();
      lines.push(line);
      bufferedLength += line.length;
      if (timer !== undefined) return;
      timer = setTimeout(writeBuffered, FLUSH_INTERVAL_MS).unref();
      process.once('exit', flushSync);
    },
    flushSync,
  };
}

/** Returns pino's `time` field in ISO 8601, formatted once per millisecond instead of once per line. */
export function createTimeField(): () => string {
  let formattedAtMs = Number.NaN;
  let field = '';
  return () => {
    const now = Date.now();
    if (now !== formattedAtMs) {
      formattedAtMs = now;
      field = `,"time":"${new Date(now).toISOString()}"`;
    }
    return field;
  };
}

/** Reduces a thrown value to its loggable part. It follows at most four causes, so a cycle of causes ends. */
export function describeError(error: unknown, depth = 0): LoggedError {
  if (!(error instanceof Error))
    return { type: typeof error, message: 'a value other than an Error was thrown' };
  const described: LoggedError = { type: error.name, message: withoutSecrets(error, error.message) };
  if ('code' in error && typeof error.code === 'string') described.code = error.code;
  if (error.stack !== undefined && depth === 0) described.stack = withoutSecrets(error, error.stack);
  if (error.cause !== undefined && depth < 4) described.cause = describeError(error.cause, depth + 1);
  return described;
}

/**
 * SECURITY: some messages quote their input. JSON.parse quotes the text, which may be a token response, and Redis quotes
 * the arguments of a rejected command ("with args beginning with: …").
 */
function withoutSecrets(error: Error, text: string): string {
  if (error instanceof SyntaxError) return text.replace(error.message, 'a text could not be parsed');
  const at = text.indexOf('with args beginning with');
  if (at === -1) return text;
  const lineEnd = text.indexOf('\n', at);
  return text.slice(0, at) + (lineEnd === -1 ? '' : text.slice(lineEnd));
}
