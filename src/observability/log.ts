import pino, { type DestinationStream, type Logger as PinoLogger } from 'pino';
import pretty from 'pino-pretty';
import type { Config } from '../config/schema/schema.ts';

export type Logger = PinoLogger;

/** How long a line may wait for others, in milliseconds. */
const WAIT_MS = 50;
/** How much is written in one piece, in characters: a piece of 4 KiB costs almost as much as one of 64. */
const PIECE = 65_536;
/** The same where several processes write to one pipe, which keeps that much whole among what others write (pipe(7)). */
const SHARED_PIECE = 4_096;

/** What of an error may stand in a log line: its kind, text, code and stack, and the same of its causes. */
type LoggedError = { type: string; message: string; code?: string; stack?: string; cause?: LoggedError };

/**
 * Makes the logger. Lines are JSON, or text for people when `format` is `pretty`.
 *
 * SECURITY: an error is written by an allow-list of fields. ioredis 6 hangs the arguments of the failed command on its
 * errors (`command.args`: sealed sessions and keys), and openid-client the provider's answer (`cause.body`: tokens);
 * neither reaches a line. No line of this program carries headers, bodies, cookies or query strings.
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

/** Opens the standard output for log lines; `isShared` when other processes write to it as well. */
export function openDestination(options: Config['log'], { isShared = false } = {}): DestinationStream {
  if (options.format === 'pretty') return pretty({ sync: true, translateTime: 'SYS:HH:MM:ss.l' });
  const piece = isShared ? SHARED_PIECE : PIECE;
  return gatherLines(pino.destination({ sync: false, maxWrite: piece }), piece);
}

/** A destination that can be made to write at once what it holds back. */
type Sink = DestinationStream & { flushSync(): void };

/**
 * Gathers lines and hands them on together, so that a line costs a place in a list: 2 µs with all of pino's work, where
 * handed on one by one it costs 5. What is left is written when the process exits, and at once after a fatal line.
 */
function gatherLines(sink: Sink, piece: number): Sink {
  let lines: string[] = [];
  let characters = 0;
  let timer: NodeJS.Timeout | undefined;
  const handOn = () => {
    clearTimeout(timer);
    timer = undefined;
    if (lines.length === 0) return;
    const text = lines.join('');
    lines = [];
    characters = 0;
    sink.write(text);
  };
  const flushSync = () => {
    handOn();
    sink.flushSync();
  };
  process.on('exit', flushSync);
  return {
    write(line) {
      if (characters + line.length > piece) handOn();
      lines.push(line);
      characters += line.length;
      timer ??= setTimeout(handOn, WAIT_MS).unref();
    },
    flushSync,
  };
}

/** pino's `time` field, in ISO 8601: the text is made once a millisecond, not once a line. */
function createTimeField(): () => string {
  let madeAtMs = Number.NaN;
  let field = '';
  return () => {
    const now = Date.now();
    if (now !== madeAtMs) {
      madeAtMs = now;
      field = `,"time":"${new Date(now).toISOString()}"`;
    }
    return field;
  };
}

/** Reduces anything thrown to what may be logged; stops after a few causes, so that a cycle ends. */
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
 * SECURITY: some messages repeat what they are about. JSON.parse quotes the text it could not read, which may be an answer
 * with a token in it, and Redis the arguments of a command it refused ("with args beginning with: …").
 */
function withoutSecrets(error: Error, text: string): string {
  if (error instanceof SyntaxError) return text.replace(error.message, 'a text could not be parsed');
  const at = text.indexOf('with args beginning with');
  if (at === -1) return text;
  const lineEnd = text.indexOf('\n', at);
  return text.slice(0, at) + (lineEnd === -1 ? '' : text.slice(lineEnd));
}
