import { fraction, oneOf } from '../../values/scalar.ts';
import { section } from '../declaration/section.ts';

/** Traces by OpenTelemetry. */
export const telemetrySchema = section({
  traces: oneOf(['env', 'off']).prefault('env').meta({
    description:
      '`env` sends spans if the environment has `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`; `off` sends none.',
    see: '[Traces](telemetry.md)',
  }),
  sampleRatio: fraction().prefault(1).meta({
    description: 'The share of traces that the gateway begins and records, from 0 to 1.',
    see: '[Sampling](telemetry.md#sampling)',
  }),
});
