import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../../src/provider/read-config.ts';
import { minimal, problemsWith } from '../sample.ts';

const parse = (refresh: Record<string, unknown>) => parseConfig({ ...minimal, refresh }).refresh;

describe('refresh', () => {
  it.each([
    ['20%', { kind: 'share', share: 0.2 }],
    ['5%', { kind: 'share', share: 0.05 }],
    ['0%', { kind: 'share', share: 0 }],
    ['30s', { kind: 'duration', ms: 30_000 }],
    ['0s', { kind: 'duration', ms: 0 }],
  ])('refresh.ahead accepts %s', (ahead, expected) => {
    expect(parse({ ahead }).ahead).toEqual(expected);
  });

  it.each(['100%', '-5%', '2.5%', '%', '30', 20])('refresh.ahead rejects %o', (ahead) => {
    expect(problemsWith({ refresh: { ahead } })).toEqual([
      expect.stringMatching(
        /^refresh\.ahead: expected a share of the token lifetime, such as 20%, or a duration/,
      ),
    ]);
  });

  it('refresh rejects a lock that expires while its token call may still be running', () => {
    expect(parse({ timeout: '10s', lockTtl: '11s' }).lockTtl).toBe(11_000);
    expect(problemsWith({ refresh: { timeout: '10s', lockTtl: '10s' } })).toEqual([
      'refresh.lockTtl: expected longer than refresh.timeout, got "10s"',
    ]);
    expect(problemsWith({ refresh: { timeout: '40s' } })).toEqual([
      'refresh.lockTtl: expected longer than refresh.timeout, got the default',
    ]);
  });

  it('refresh rejects a zero call time-out and numbers out of range', () => {
    expect(problemsWith({ refresh: { timeout: '0s', retries: 11, maxPerMinute: 0 } })).toEqual([
      'refresh.timeout: expected a duration such as 500ms, 30s, 15m, 12h or 7d, at least 1ms, at most 24d, got "0s"',
      'refresh.retries: expected a whole number from 0 to 10, got 11',
      'refresh.maxPerMinute: expected a whole number, at least 1, got 0',
    ]);
  });
});
