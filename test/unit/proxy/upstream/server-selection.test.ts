import { describe, expect, it } from 'vitest';
import { createLogger } from '../../../../src/observability/log.ts';
import { createServerSelection } from '../../../../src/proxy/upstream/server-selection.ts';

const [one, two, three] = ['one', 'two', 'three'].map((host) => ({ origin: `https://${host}`, host }));
if (one === undefined || two === undefined || three === undefined) throw new Error('three servers');
const all = [one, two, three];

function setUp() {
  let nowMs = 0;
  const log = createLogger({ level: 'fatal', format: 'json' });
  const selection = createServerSelection(all, { clock: () => nowMs, log, route: '/api' });
  return {
    ...selection,
    advance: (ms: number) => void (nowMs += ms),
    take: (count: number) => Array.from({ length: count }, () => selection.next()?.host),
  };
}

describe('the servers of a route', () => {
  it('take turns', () => {
    expect(new Set(setUp().take(3))).toEqual(new Set(['one', 'two', 'three']));
  });

  it('are each tried once by a request', () => {
    const { next } = setUp();
    const tried = new Set<typeof one>();
    for (let server = next(tried); server !== undefined; server = next(tried)) tried.add(server);
    expect(tried.size).toBe(3);
  });

  it('are left out after a failure, for longer each time, with one trial at the end', () => {
    const { failed, take, advance } = setUp();
    failed(two);
    expect(take(6)).not.toContain('two');
    advance(1_000);
    expect(take(6).filter((host) => host === 'two')).toHaveLength(1);
    failed(two);
    advance(1_000);
    expect(take(6)).not.toContain('two');
    advance(1_000);
    expect(take(6)).toContain('two');
  });

  it('are used again at once after a connection', () => {
    const { failed, reached, take } = setUp();
    failed(two);
    reached(two);
    expect(take(3)).toContain('two');
  });

  it('are tried even when none is left, the one whose pause ends first before the others', () => {
    const { failed, next, advance } = setUp();
    failed(two);
    advance(10);
    failed(one);
    failed(three);
    expect(next()).toBe(two);
  });
});
