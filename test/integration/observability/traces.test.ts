import { createServer, type IncomingMessage } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { openTestGatewayForTest } from '../../../testkit/gateway/test-gateway-lifetime.ts';
import { type LoopbackServer, listenOnLoopback } from '../../../testkit/network/loopback-server.ts';
import { valuesOf } from '../../../testkit/network/header-list.ts';
import type { TestGatewayOptions } from '../../../testkit/gateway/test-gateway.ts';
import { canaries } from '../../../testkit/secrets/canaries.ts';

const PATIENCE = { timeout: 20_000, interval: 50 };
const SECRET = 'hidden-text-of-a-query';
/** Longer than an access token of the fake provider, and shorter than the idle limit of a session. */
const LIFE_MS = 600_000;

type Span = {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  attributes: { key: string; value: Record<string, string> }[];
};

/** A collector that keeps what it gets. */
let spans: Span[] = [];
let texts: string[] = [];
let respondWith = 200;
let sink: LoopbackServer;

async function readAll(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

beforeAll(async () => {
  sink = await listenOnLoopback(
    createServer((request, response) => {
      void readAll(request).then((text) => {
        texts.push(text);
        canaries.see('the spans', text);
        const body = JSON.parse(text) as { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] };
        if (respondWith === 200 && request.url === '/v1/traces')
          spans.push(
            ...body.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((each) => each.spans)),
          );
        response.writeHead(respondWith).end('{}');
      });
    }),
  );
});
afterAll(() => sink.stop());
afterEach(() => {
  vi.unstubAllEnvs();
  spans = [];
  texts = [];
  respondWith = 200;
});

/** Opens a gateway whose environment names the collector. */
async function open(config: Record<string, unknown> = {}, options: TestGatewayOptions = {}, url?: string) {
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', url ?? `http://127.0.0.1:${sink.port}`);
  vi.stubEnv('OTEL_SERVICE_NAME', 'shop');
  return openTestGatewayForTest({ ...options, config });
}
type Opened = Awaited<ReturnType<typeof open>>;

const metricsOf = async ({ gateway }: Opened, accept = 'text/plain') =>
  (await fetch(`${gateway.adminUrl}/metrics`, { headers: { accept } })).text();
const byName = (name: string, traceId?: string) =>
  spans.filter((span) => span.name === name && (traceId === undefined || span.traceId === traceId));
const waitForSpan = (name: string, count = 1) =>
  vi.waitFor(() => {
    const found = byName(name);
    expect(found.length).toBeGreaterThanOrEqual(count);
    return found;
  }, PATIENCE);
const sentTrace = ({ upstream }: Opened) =>
  /^00-(\w{32})-(\w{16})-0(\d)$/
    .exec(valuesOf(upstream.requests.at(-1)?.headers ?? [], 'traceparent')[0] ?? '')
    ?.slice(1) ?? [];
const attributesOf = (span: Span | undefined) =>
  Object.fromEntries(span?.attributes.map(({ key, value }) => [key, Object.values(value)[0]]) ?? []);

describe('traces', () => {
  it('have a span of the request, of the lookup and of the upstream, whose id the upstream gets', async () => {
    const testGateway = await open();
    await testGateway.agent.signIn();
    await testGateway.agent.fetch('/api/one?code=canary');
    const [traceId = '', spanId = ''] = sentTrace(testGateway);
    const [upstream] = await waitForSpan('upstream');
    expect(upstream).toMatchObject({ traceId, spanId, kind: 3 });
    const [request] = await vi.waitFor(() => {
      const found = byName('request', traceId);
      expect(found).toHaveLength(1);
      return found;
    }, PATIENCE);
    expect(upstream?.parentSpanId).toBe(request?.spanId);
    expect(request).toMatchObject({ kind: 2 });
    expect(attributesOf(request)).toMatchObject({
      'http.request.method': 'GET',
      'http.route': '/api',
      'url.path': '/api/one',
      'http.response.status_code': '200',
    });
    expect(byName('session lookup', traceId)[0]?.parentSpanId).toBe(request?.spanId);
    expect(testGateway.gateway.logs()).toContain(`"traceId":"${traceId}"`);
    expect(texts.join('')).toContain('"service.name","value":{"stringValue":"shop"}');
    const exposition = await metricsOf(testGateway, 'application/openmetrics-text; version=1.0.0');
    expect(exposition).toMatch(
      new RegExp(`^coatcheck_http_request_duration_seconds_bucket\\{.*# \\{trace_id="${traceId}"`, 'm'),
    );
  });

  it('have spans of a refresh, its lock and its token call, and the provider gets the id of the call', async () => {
    const testGateway = await open();
    await testGateway.agent.signIn();
    for (const { accessTokens } of testGateway.provider.families)
      for (const { token } of accessTokens) testGateway.provider.revokeAccessToken(token);
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
    const [refresh] = await waitForSpan('refresh');
    const inTrace = (name: string) => byName(name, refresh?.traceId);
    expect(inTrace('lock wait')[0]?.parentSpanId).toBe(refresh?.spanId);
    const [tokenCall] = inTrace('token call');
    expect(tokenCall?.parentSpanId).toBe(refresh?.spanId);
    const call = inTrace('provider').find(({ parentSpanId }) => parentSpanId === tokenCall?.spanId);
    expect(call?.kind).toBe(3);
    expect(await vi.waitFor(() => inTrace('upstream'), PATIENCE)).toHaveLength(2);
  });

  it('have the spans of a WebSocket upgrade up to its response, with the refresh that it waited for', async () => {
    const testGateway = await open();
    const { agent, upstream } = testGateway;
    await agent.signIn();
    testGateway.advance(LIFE_MS);
    const socket = await agent.websocket(`/socket/live?key=${SECRET}`, { protocols: [`token-${SECRET}`] });
    // The span does not wait for the end of the socket.
    const [upgrade] = await waitForSpan('upgrade');
    expect(upgrade).toMatchObject({ kind: 2 });
    expect(attributesOf(upgrade)).toEqual({
      'http.request.method': 'GET',
      'http.response.status_code': '101',
      'http.route': '/socket',
      'url.path': '/socket/live',
      'coatcheck.request_id': expect.any(String),
    });
    const inTrace = (name: string) => byName(name, upgrade?.traceId);
    for (const name of ['session lookup', 'refresh', 'upstream'])
      expect(inTrace(name)).toEqual([expect.objectContaining({ parentSpanId: upgrade?.spanId })]);
    const [sent] = valuesOf(upstream.upgrades.at(-1)?.headers ?? [], 'traceparent');
    expect(sent).toBe(`00-${upgrade?.traceId}-${inTrace('upstream')[0]?.spanId}-01`);
    expect(testGateway.gateway.logs()).toContain(`"traceId":"${upgrade?.traceId}"`);
    socket.close();
    await socket.closed;
    expect(byName('upgrade')).toHaveLength(1);
    const text = texts.join('\n');
    for (const secret of [SECRET, 'canary-', agent.cookies.all()[0]?.value ?? 'no cookie', '?'])
      expect(text).not.toContain(secret);
  });

  it('have the status of an upgrade that the gateway or the upstream refuses', async () => {
    const testGateway = await open();
    await expect(testGateway.agent.websocket('/socket/refused')).rejects.toThrow('401');
    await testGateway.agent.signIn();
    testGateway.upstream.rejectUpgrades(418);
    await expect(testGateway.agent.websocket('/socket/refused')).rejects.toThrow('418');
    await vi.waitFor(() => {
      const refused = byName('upgrade').map(attributesOf);
      const ofPath = refused.filter((attributes) => attributes['url.path'] === '/socket/refused');
      expect(ofPath.map((attributes) => attributes['http.response.status_code'])).toEqual(['401', '418']);
    }, PATIENCE);
  });

  it('have no token, cookie, code or query in any attribute (standards: E23)', async () => {
    const testGateway = await open();
    await testGateway.agent.signIn();
    await testGateway.agent.fetch(`/api/one?key=${SECRET}`, { headers: { 'x-secret': SECRET } });
    await waitForSpan('upstream');
    await waitForSpan('provider');
    const text = texts.join('\n');
    for (const secret of [SECRET, 'canary-', testGateway.agent.cookies.all()[0]?.value ?? 'no cookie'])
      expect(text).not.toContain(secret);
    expect(text).not.toContain('?');
  });

  it('continue a trace of a trusted proxy only, with its decision', async () => {
    const [traceId, spanId] = ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7'];
    const send = async (testGateway: Opened, flags: string) => {
      await testGateway.agent.fetch('/public/one', {
        headers: { traceparent: `00-${traceId}-${spanId}-${flags}` },
      });
      return sentTrace(testGateway);
    };
    const trusting = await open({ trustProxy: ['127.0.0.1'] });
    expect(await send(trusting, '01')).toEqual([traceId, expect.any(String), '1']);
    const [request] = await waitForSpan('request');
    expect(request).toMatchObject({ traceId, parentSpanId: spanId });
    expect(await send(trusting, '00')).toEqual([traceId, expect.any(String), '0']);
    const other = await open({ telemetry: { sampleRatio: 0 } });
    const [own, , isSampled] = await send(other, '01');
    expect(own).not.toBe(traceId);
    expect(isSampled).toBe('0');
  });

  it('are off without an endpoint, and when the configuration says so', async () => {
    const off = await open({ telemetry: { traces: 'off' } });
    await off.agent.signIn();
    await off.agent.fetch('/api/one');
    vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', '');
    const none = await openTestGatewayForTest();
    await none.agent.signIn();
    await none.agent.fetch('/api/one');
    expect(await metricsOf(none)).not.toContain('coatcheck_trace_spans_total');
    expect(none.gateway.logs()).not.toContain('traceId');
    await off.gateway.close();
    expect(spans).toEqual([]);
  });

  it('are off, and the log says so, when the endpoint is not a URL', async () => {
    const testGateway = await open({}, {}, 'collector:4318');
    await testGateway.agent.fetch('/api/one');
    expect(testGateway.gateway.logs()).toContain('the endpoint for traces is not an http or https URL');
    expect(await metricsOf(testGateway)).not.toContain('coatcheck_trace_spans_total');
  });

  it('cost a request nothing while the collector is dead, and dropped spans are counted', async () => {
    const dead = await listenOnLoopback(createServer());
    const { port } = dead;
    await dead.stop();
    const testGateway = await open({}, {}, `http://127.0.0.1:${port}`);
    await testGateway.agent.signIn();
    expect((await testGateway.agent.fetch('/api/one')).status).toBe(200);
    await vi.waitFor(
      async () => expect(await metricsOf(testGateway)).toMatch(/trace_spans_total\{result="dropped"\} [1-9]/),
      PATIENCE,
    );
    expect(testGateway.gateway.logs().split('the trace collector does not take spans')).toHaveLength(2);
  });

  it('are dropped and counted while the collector refuses them, and sent again afterwards', async () => {
    const testGateway = await open();
    onTestFinished(() => void (respondWith = 200));
    respondWith = 503;
    await testGateway.agent.signIn();
    await vi.waitFor(
      async () => expect(await metricsOf(testGateway)).toMatch(/trace_spans_total\{result="dropped"\} [1-9]/),
      PATIENCE,
    );
    respondWith = 200;
    await testGateway.agent.fetch('/api/one');
    await waitForSpan('request');
    await expect.poll(() => testGateway.gateway.logs()).toContain('the trace collector takes spans again');
  });
});
