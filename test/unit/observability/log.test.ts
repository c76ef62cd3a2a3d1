import { describe, expect, it } from 'vitest';
import { pino } from 'pino';
import { createHostedLogger, createLogger, describeError } from '../../../src/observability/log.ts';
import { collectLog } from '../log-lines.ts';

describe('a log line', () => {
  it('a log line is one line of JSON with a named level, a time and the message, and nothing about the machine', () => {
    const { log, lines } = collectLog();
    log.warn({ requestId: 'r1' }, 'said');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      requestId: 'r1',
      msg: 'said',
    });
  });

  it('a log line stays one line whatever characters the path of a request contains (E23)', () => {
    const { log, lines } = collectLog();
    log.info({ path: '/a\r\n{"level":"error"}\u2028' }, 'request');
    expect(lines.join('').match(/[\r\n]/g)).toEqual(['\n']);
  });

  it('a log line below the configured level is not written', () => {
    const { log, lines } = collectLog('info');
    log.debug('quiet');
    expect(lines).toEqual([]);
  });

  it('a log line contains only the kind, text, code and stack of an error, and the same of its causes (E23)', () => {
    const { log, lines } = collectLog();
    const response = Object.assign(new Error('an unexpected response'), {
      body: { access_token: 'canary-1' },
    });
    const failed = Object.assign(new TypeError('it failed', { cause: response }), {
      code: 'E_FAILED',
      command: { name: 'set', args: ['key', 'canary-2'] },
      response: new Response('canary-3', { headers: { 'Set-Cookie': 'canary-4' } }),
    });
    log.error({ err: failed }, 'oops');
    log.error(failed);
    expect(lines.join('')).not.toContain('canary');
    const { err } = JSON.parse(lines[0] ?? '');
    expect(err).toEqual({
      type: 'TypeError',
      message: 'it failed',
      code: 'E_FAILED',
      stack: expect.stringContaining('log.test.ts'),
      cause: { type: 'Error', message: 'an unexpected response' },
    });
    expect(JSON.parse(lines[1] ?? '').err).toEqual(err);
  });
});

describe('the log of a host', () => {
  it('contains no secrets of errors, whatever serializer the host has for them (E23)', () => {
    const lines: string[] = [];
    const host = pino(
      { serializers: pino.stdSerializers, base: { app: 'shop' } },
      { write: (line) => void lines.push(line) },
    );
    const failed = Object.assign(new Error('it failed'), { command: { args: ['canary-1'] } });
    host.error({ err: failed }, 'oops');
    expect(lines.join('')).toContain('canary');
    lines.length = 0;
    createHostedLogger(host).error({ err: failed }, 'oops');
    expect(lines.join('')).not.toContain('canary');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      app: 'shop',
      msg: 'oops',
      err: { message: 'it failed' },
    });
  });
});

describe('the description of an error', () => {
  it('the log omits the arguments that Redis repeats in its errors, from message and stack (E23)', () => {
    const refusal = new Error(
      "ERR unknown command 'FROB', with args beginning with: 'coatcheck:session:k' 'canary' ",
    );
    const described = describeError(new Error('the store failed', { cause: refusal }));
    expect(described.cause?.message).toBe("ERR unknown command 'FROB', ");
    const { stack, message } = describeError(refusal);
    expect(`${message}${stack}`).not.toContain('canary');
    expect(stack).toContain('log.test.ts');
  });

  it('the log omits the text that JSON.parse could not read, which may be a response with a token (E23)', () => {
    let unreadable: unknown;
    try {
      JSON.parse('canary-opaque-token');
    } catch (error) {
      unreadable = error;
    }
    const described = JSON.stringify(describeError(new Error('parsing failed', { cause: unreadable })));
    expect(described).toContain('a text could not be parsed');
    expect(described + JSON.stringify(describeError(unreadable))).not.toContain('canary');
  });

  it('the log states only the type of a thrown value that is not an error', () => {
    for (const thrown of ['canary', { token: 'canary' }, 1, null, undefined])
      expect(JSON.stringify(describeError(thrown))).toMatch(
        /^\{"type":"\w+","message":"a value other than an Error/,
      );
  });

  it('the log stops at a circular cause', () => {
    const error = new Error('round');
    error.cause = error;
    let depth = 0;
    for (let at = describeError(error).cause; at !== undefined; at = at.cause) depth += 1;
    expect(depth).toBe(4);
  });

  it('the log omits an error code that is not a text', () => {
    expect(describeError(Object.assign(new Error('x'), { code: { token: 'canary' } }))).not.toHaveProperty(
      'code',
    );
  });
});

it('a log without unwritten lines does not listen to the process, so that a host can open many', () => {
  const before = process.listenerCount('exit');
  for (let opened = 0; opened < 5; opened += 1) createLogger({ level: 'info', format: 'json' });
  // pino has one listener of its own for all destinations.
  expect(process.listenerCount('exit')).toBeLessThanOrEqual(before + 1);
});
