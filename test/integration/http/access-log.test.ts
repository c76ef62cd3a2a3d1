import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { controlledStream, cutMidBody } from '../../../testkit/upstream/streams.ts';
import { type Fixture, openFixture } from '../proxy/fixture.ts';

let fixture: Fixture;

beforeAll(async () => {
  fixture = await openFixture({
    routes: [{ path: '/hasty', timeout: { headers: '300ms', idle: '300ms' } }],
  });
});
beforeEach(() => fixture.reset());
afterAll(() => fixture.close());

type Line = { msg: string; path?: string; requestId?: string; level: string } & Record<string, unknown>;

/** The log lines about the request to a path, once its response has ended. */
async function linesOf(path: string): Promise<Line[]> {
  const all = () =>
    fixture.gateway
      .logs()
      .trim()
      .split('\n')
      .map((line): Line => JSON.parse(line));
  const isOver = (line: Line) => line.msg === 'request' && line.path === path;
  await expect.poll(() => all().some(isOver)).toBe(true);
  const { requestId } = all().find(isOver) ?? {};
  return all().filter((line) => line.requestId === requestId);
}

async function countOf(labels: string): Promise<number> {
  const text = await (await fetch(`${fixture.gateway.adminUrl}/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`coatcheck_http_requests_total{${labels}}`));
  return Number(line?.split(' ')[1] ?? 0);
}

describe('a request whose client disconnects', () => {
  it('is logged and counted with status 499 when no response has begun', async () => {
    const { promise: came, resolve } = Promise.withResolvers<void>();
    fixture.upstream.respond(() => resolve());
    const connection = await fixture.open();
    connection.write(fixture.head('GET /api/gone HTTP/1.1'));
    await came;
    connection.close();
    expect(await linesOf('/api/gone')).toMatchObject([{ level: 'info', msg: 'request', status: 499 }]);
    expect(await countOf('route="/api",method="GET",status="499"')).toBe(1);
  });

  it('is logged with status 499 when its body ends early or stalls', async () => {
    const gone = await fixture.open();
    gone.write(fixture.head('POST /api/cut HTTP/1.1', 'Content-Length: 1000') + 'x');
    setTimeout(() => gone.close(), 50);
    expect(await linesOf('/api/cut')).toMatchObject([{ msg: 'request', status: 499 }]);
    const still = await fixture.open();
    still.write(fixture.head('POST /hasty/still HTTP/1.1', 'Content-Length: 1000') + 'x');
    await still.ended;
    expect(await linesOf('/hasty/still')).toMatchObject([{ msg: 'request', status: 499 }]);
    still.close();
  });

  it('is logged with the response status when the client disconnects during the response', async () => {
    const stream = controlledStream();
    fixture.upstream.respond(stream.behaviour);
    const connection = await fixture.open();
    connection.write(fixture.head('GET /api/left HTTP/1.1'));
    await connection.readUntil('\r\n\r\n');
    connection.close();
    expect(await linesOf('/api/left')).toMatchObject([{ msg: 'request', status: 200 }]);
  });
});

describe('a response that ends early', () => {
  it.each([
    ['closes the connection', '/api/broken', cutMidBody('chunked'), 'upstream_unreachable'],
    ['stalls', '/hasty/broken', controlledStream().behaviour, 'upstream_timeout'],
  ])('is logged with its cause when the upstream %s', async (_what, path, behaviour, code) => {
    fixture.upstream.respond(behaviour);
    const connection = await fixture.open();
    connection.write(fixture.head(`GET ${path}?secret=canary HTTP/1.1`));
    await connection.ended;
    connection.close();
    const lines = await linesOf(path);
    expect(lines).toHaveLength(2);
    expect(lines).toContainEqual(expect.objectContaining({ msg: 'request', status: 200 }));
    expect(lines).toContainEqual(
      expect.objectContaining({
        level: 'warn',
        msg: 'response aborted after its headers were sent',
        err: expect.objectContaining({ code, cause: expect.objectContaining({ type: expect.any(String) }) }),
      }),
    );
    expect(JSON.stringify(lines)).not.toContain('canary');
  });
});
