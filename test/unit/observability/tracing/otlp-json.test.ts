import { describe, expect, it } from 'vitest';
import type { FinishedSpan } from '../../../../src/observability/tracing/finished-span.ts';
import { createTraceRequests } from '../../../../src/observability/tracing/otlp-json.ts';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const child: FinishedSpan = {
  traceId: TRACE_ID,
  spanId: '00f067aa0ba902b7',
  parentSpanId: '00f067aa0ba902b8',
  name: 'upstream',
  kind: 'client',
  startsAtMicros: 1_800_000_000_123_456,
  endsAtMicros: 1_800_000_000_123_999,
  attributes: { 'http.request.method': 'GET', 'http.response.status_code': 502 },
  hasFailed: true,
};
const root: FinishedSpan = {
  ...child,
  parentSpanId: undefined,
  name: 'request',
  kind: 'server',
  attributes: {},
  hasFailed: false,
};

describe('the body of a request to a trace collector', () => {
  it('has the resource and every span in the JSON mapping of OTLP', () => {
    const text = createTraceRequests({ 'service.name': 'shop' })([child, root]);
    const times = {
      startTimeUnixNano: '1800000000123456000',
      endTimeUnixNano: '1800000000123999000',
    };
    expect(JSON.parse(text)).toEqual({
      resourceSpans: [
        {
          resource: { attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }] },
          scopeSpans: [
            {
              scope: { name: 'coatcheck' },
              spans: [
                {
                  traceId: TRACE_ID,
                  spanId: '00f067aa0ba902b7',
                  parentSpanId: '00f067aa0ba902b8',
                  name: 'upstream',
                  kind: 3,
                  ...times,
                  attributes: [
                    { key: 'http.request.method', value: { stringValue: 'GET' } },
                    { key: 'http.response.status_code', value: { intValue: '502' } },
                  ],
                  status: { code: 2 },
                },
                {
                  traceId: TRACE_ID,
                  spanId: '00f067aa0ba902b7',
                  name: 'request',
                  kind: 2,
                  ...times,
                  attributes: [],
                },
              ],
            },
          ],
        },
      ],
    });
  });

  it.each(['"', '\\', '\n', '\x00', '\x1f', '\x7f', 'é', '\u2028', '\ud800', '😀', '/a b~!#[]^'])(
    'has the text %j unchanged, in keys, names and values',
    (text) => {
      const span = { ...root, name: text, attributes: { [text]: text } };
      const body: unknown = JSON.parse(createTraceRequests({ [text]: text })([span]));
      const attributes = [{ key: text, value: { stringValue: text } }];
      expect(body).toMatchObject({
        resourceSpans: [{ resource: { attributes }, scopeSpans: [{ spans: [{ name: text, attributes }] }] }],
      });
    },
  );
});
