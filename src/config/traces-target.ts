/** Where spans are sent, from the variables of the OpenTelemetry specification. */
export type TracesTarget = {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The attributes of the resource, `service.name` among them. */
  readonly resource: Readonly<Record<string, string>>;
};

type Environment = Readonly<Record<string, string | undefined>>;

/** Undefined without an http(s) endpoint, and when the variables turn traces off. */
export function tracesTarget(env: Environment = process.env): TracesTarget | undefined {
  const { url } = endpointOf(env) ?? {};
  if (url === undefined || !isHttp(url)) return undefined;
  const headers = env['OTEL_EXPORTER_OTLP_TRACES_HEADERS'] ?? env['OTEL_EXPORTER_OTLP_HEADERS'];
  const named = env['OTEL_SERVICE_NAME'];
  return {
    url,
    headers: readPairs(headers),
    resource: {
      'service.name': 'coatcheck',
      ...readPairs(env['OTEL_RESOURCE_ATTRIBUTES']),
      ...(named && { 'service.name': named }),
    },
  };
}

/** The variable whose endpoint cannot be used, such as one without a scheme; undefined when there is none. */
export function unusableTracesVariable(env: Environment = process.env): string | undefined {
  const endpoint = endpointOf(env);
  return endpoint === undefined || isHttp(endpoint.url) ? undefined : endpoint.variable;
}

/** The endpoint for traces is used as it is, and the one for every signal is a base (OTLP exporter specification). */
function endpointOf(env: Environment): { variable: string; url: string } | undefined {
  if (env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true' || env['OTEL_TRACES_EXPORTER'] === 'none')
    return undefined;
  const own = env[OWN_ENDPOINT];
  const base = env[BASE_ENDPOINT];
  if (own) return { variable: OWN_ENDPOINT, url: own };
  return base ? { variable: BASE_ENDPOINT, url: `${base.replace(/\/+$/, '')}/v1/traces` } : undefined;
}

const OWN_ENDPOINT = 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT';
const BASE_ENDPOINT = 'OTEL_EXPORTER_OTLP_ENDPOINT';

function isHttp(url: string): boolean {
  return /^https?:$/.test(URL.parse(url)?.protocol ?? '');
}

/** `name=value,name=value`, percent-encoded. */
function readPairs(text = ''): Record<string, string> {
  const pairs = text.split(',').flatMap((pair) => {
    const at = pair.indexOf('=');
    return at < 1 ? [] : [[pair.slice(0, at).trim(), decode(pair.slice(at + 1).trim())]];
  });
  return Object.fromEntries(pairs);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
