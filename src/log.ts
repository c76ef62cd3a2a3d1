import pino, { type DestinationStream, type Logger as PinoLogger } from 'pino';
import pretty from 'pino-pretty';
import type { Config } from './config/schema.ts';

export type Logger = PinoLogger;

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
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
      serializers: { err: describeError },
    },
    destination,
  );
}

function openDestination(options: Config['log']): DestinationStream {
  if (options.format === 'pretty') return pretty({ sync: true, translateTime: 'SYS:HH:MM:ss.l' });
  // Lines are gathered for up to 50 ms: a write a line costs more than everything else in a log call.
  // pino flushes what is left when the process exits.
  return pino.destination({ sync: false, minLength: 8_192, periodicFlush: 50 });
}

/** Reduces anything thrown to what may be logged; stops after a few causes, so that a cycle ends. */
export function describeError(error: unknown, depth = 0): LoggedError {
  if (!(error instanceof Error))
    return { type: typeof error, message: 'a value that is no error was thrown' };
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
  if (error instanceof SyntaxError) return text.replace(error.message, 'a text could not be read');
  const at = text.indexOf('with args beginning with');
  if (at === -1) return text;
  const lineEnd = text.indexOf('\n', at);
  return text.slice(0, at) + (lineEnd === -1 ? '' : text.slice(lineEnd));
}
