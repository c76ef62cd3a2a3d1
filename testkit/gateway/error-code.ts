import type { RunningGateway } from './gateway.ts';

/**
 * The code of an error response: that of a problem document, or, for an error page, of the log line with the request id on the
 * page.
 */
export function errorCodeOf(body: string, { logs }: Pick<RunningGateway, 'logs'>): unknown {
  if (!body.startsWith('<!doctype html>')) return Object(JSON.parse(body)).code;
  const requestId = /<code>([\w-]{36})<\/code>/.exec(body)?.[1];
  const codes = logs()
    .split('\n')
    .filter((line) => requestId !== undefined && line.includes(requestId))
    .map((line) => Object(JSON.parse(line)).code)
    .filter((code) => code !== undefined);
  return codes[0];
}
