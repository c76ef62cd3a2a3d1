import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { createAuthRouter } from '../../src/auth/router.ts';
import { loadConfig } from '../../src/provider/read-config.ts';
import { scrapeMetrics } from '../../src/admin/snapshot.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { readPage, sectionOf, spansIn } from '../../testkit/project/markdown.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const documents = ['*.md', 'docs/**/*.md'].flatMap((pattern) => globSync(pattern, { cwd: root })).sort();
const pageOf = (path: string) => readPage(read(path));
const sources = globSync('src/**/*.ts', { cwd: root }).map(read).join('\n');

it('finds the documentation pages', () => {
  expect(documents).toEqual(expect.arrayContaining(['README.md', 'docs/endpoints.md', 'docs/operations.md']));
});

describe.each(documents)('%s', (path) => {
  const page = pageOf(path);

  it('contains no marker of an unresolved merge', () => {
    expect(read(path)).not.toMatch(/^\W*(?:<{7}|>{7}|(?:> ){7})/m);
  });

  it('contains only links to existing files and headings', () => {
    const relative = page.links.filter((link) => !/^https?:/.test(link));
    expect(relative.filter((link) => !leadsSomewhere(path, link))).toEqual([]);
  });

  it('names only existing files', () => {
    const files = page.spans.filter((span) => /^\w[\w./-]*\.ts$|^\w[\w.-]*\/[\w./-]*\.\w+$/.test(span));
    const missing = files.filter(
      (file) => ![file, `src/${file}`].some((place) => existsSync(join(root, place))),
    );
    expect(missing).toEqual([]);
  });

  it('names only existing tests and folders in commands', () => {
    const commands = page.spans.filter((span) => span.startsWith('npm test -- '));
    const places = commands.flatMap((command) =>
      command.split(' ').filter((word) => word.startsWith('test/')),
    );
    expect(places.filter((place) => !existsSync(join(root, place)))).toEqual([]);
  });

  it('names only existing npm scripts', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const code = [...page.spans, ...page.blocks.map(({ text }) => text)].join('\n');
    const named = Array.from(
      code.matchAll(/\bnpm (?:run ([a-z]+)|(start|test)\b)/g),
      ([, run, own]) => run ?? own,
    );
    expect(named.filter((name) => !Object.hasOwn(scripts, name ?? ''))).toEqual([]);
  });

  it('shows only problems with existing codes', () => {
    const shown = page.blocks.flatMap(({ text }) =>
      Array.from(text.matchAll(/"code": ?"(\w+)"/g), ([, code]) => code),
    );
    expect(shown.filter((code) => !errorCodes().has(code ?? ''))).toEqual([]);
  });

  it('names only existing keys of the configuration', () => {
    const keys = new Set(pageOf('docs/configuration.md').spans);
    const sections =
      'provider|session|login|csrf|refresh|rateLimit|routes\\[\\]|spa|log|audit|telemetry|admin|tls';
    const named = page.spans.flatMap(
      (span) => new RegExp(`^(?:${sections})\\.[a-zA-Z.]+(?=$|:)`).exec(span)?.[0] ?? [],
    );
    // Below these, any name is allowed.
    const maps = ['provider.authorizationParams', 'login.parameters'];
    const isKey = (name: string) =>
      keys.has(name) ||
      maps.some((map) => name.startsWith(`${map}.`)) ||
      [...keys].some((key) => key.startsWith(`${name}.`));
    expect(named.filter((name) => !isKey(name))).toEqual([]);
  });

  test.each(
    page.blocks.filter(({ text }) => text.startsWith('# coatcheck.yaml\n')).map(({ text }) => [text]),
  )('contains an example that is a valid configuration: %#', (yaml) => {
    const variables = Array.from(yaml.matchAll(/\$\{(\w+)\}/g), ([, name = '']) => [
      name,
      'stub-of-an-example-tG7bQx4ZwM9kVn2R',
    ]);
    const readFile = (file: string) => (file === 'coatcheck.yaml' ? yaml : 'stub');
    expect(
      loadConfig('coatcheck.yaml', { env: Object.fromEntries(variables), readFile }).routes,
    ).toHaveLength(1);
  });
});

describe('README.md', () => {
  const missing = sectionOf(read('README.md'), 'What it does not do');

  it('README.md has less than 200 lines', () => {
    expect(read('README.md').split('\n').length).toBeLessThan(200);
  });

  it('README.md has the figures of docs/performance.md: copy them after a benchmark', () => {
    const measured = pageOf('docs/performance.md').rows.filter(([, cost]) => cost?.includes('µs'));
    const names = {
      '`node:http`, which responds by itself': 'node:http responding by itself',
      Coatcheck: 'Coatcheck',
      'http-proxy-middleware alone': 'http-proxy-middleware alone',
      'Express, iron-session, Redis by hand': 'the obvious wiring',
    };
    const shown = pageOf('README.md').rows.filter(([, cost]) => cost?.includes('µs'));
    expect(shown.map(([name, cost, ratio]) => [name, `${cost} (${ratio})`])).toEqual(
      Object.entries(names).map(([mine, theirs]) => [mine, measured.find(([name]) => name === theirs)?.[1]]),
    );
  });

  it.each(['README.md', 'docs/get-started.md'])('%s has a complete configuration as an example', (path) => {
    const { blocks } = pageOf(path);
    expect(blocks.filter(({ text }) => text.startsWith('# coatcheck.yaml\n'))).toHaveLength(1);
  });

  it('README.md calls no existing endpoint missing', () => {
    const named = spansIn(missing).flatMap((span) => /\/auth\/[\w-]+/.exec(span) ?? []);
    expect(browserEndpoints().filter((endpoint) => named.some((path) => endpoint.endsWith(path)))).toEqual(
      [],
    );
  });
});

describe('docs/architecture.md', () => {
  it('docs/architecture.md names every module', () => {
    const { spans } = pageOf('docs/architecture.md');
    const modules = readdirSync(join(root, 'src'), { withFileTypes: true }).map((entry) =>
      entry.isDirectory() ? `${entry.name}/` : entry.name,
    );
    expect(modules.filter((module) => !spans.includes(module))).toEqual([]);
  });

  it('docs/architecture.md lists every decision', () => {
    const { links } = pageOf('docs/architecture.md');
    const decisions = readdirSync(join(root, 'docs/decisions')).map((file) => `decisions/${file}`);
    expect(decisions.filter((file) => !links.includes(file))).toEqual([]);
  });
});

describe('docs/endpoints.md', () => {
  const headings = Array.from(
    read('docs/endpoints.md').matchAll(/^### `([A-Z]+ \/.+)`$/gm),
    ([, name]) => name,
  );

  it('docs/endpoints.md describes exactly the endpoints for browsers', () => {
    expect(new Set(headings.filter((name) => name?.includes('/auth/')))).toEqual(new Set(browserEndpoints()));
  });

  it('docs/endpoints.md describes exactly the endpoints of the admin listener', () => {
    const pages = [
      'src/admin/admin.ts',
      'src/admin/session-endpoints.ts',
      'src/admin/operator-pages.ts',
    ].flatMap((file) =>
      Array.from(read(file).matchAll(/^ {4}'(\/[^']*)': \{$(.*?)^ {4}\},$/gms), ([, path, methods = '']) =>
        Array.from(methods.matchAll(/^ {6}(?:async )?([A-Z]+)\b/gm), ([, method]) => `${method} ${path}`),
      ).flat(),
    );
    expect(pages).toContain('GET /livez');
    expect(new Set(headings.filter((name) => !name?.includes('/auth/')))).toEqual(new Set(pages));
  });

  it('docs/endpoints.md lists exactly the error codes, with their status', () => {
    const listed = pageOf('docs/endpoints.md').rows.flatMap(([status = '', code = '']) =>
      /^\d{3}$/.test(status) ? [[code.replaceAll('`', ''), Number(status)] as const] : [],
    );
    expect(new Map(listed)).toEqual(errorCodes());
  });
});

describe('docs/operations.md', () => {
  const text = read('docs/operations.md');

  it('docs/operations.md lists every metric with its type and labels', async () => {
    const listed = readPage(text).rows.filter(([name]) => /^`coatcheck_\w+`$/.test(name ?? ''));
    const told = listed.map(([name = '', type, labels = '']) => [
      name.replaceAll('`', ''),
      type,
      spansIn(labels),
    ]);
    expect(new Set(told)).toEqual(new Set(await ownMetrics()));
  });

  it('docs/operations.md names only existing metrics', async () => {
    const named = Array.from(text.matchAll(/\bcoatcheck_\w+/g), ([name]) => name.replace(/_bucket$/, ''));
    const known = (await ownMetrics()).map(([name]) => name);
    expect(named.filter((name) => !known.includes(name))).toEqual([]);
  });

  it('docs/operations.md explains exactly the alerts of deploy/prometheus', () => {
    const rules = read('deploy/prometheus/coatcheck.rules.yaml');
    const alerts = Array.from(rules.matchAll(/- alert: (\w+)/g), ([, name]) => name);
    const { rows } = readPage(sectionOf(text, 'Act on an alert'));
    const explained = rows.flatMap(([first = '']) =>
      spansIn(first).filter((each) => each.startsWith('Coatcheck')),
    );
    expect(new Set(explained)).toEqual(new Set(alerts));
  });

  it('docs/operations.md quotes only log messages that exist', () => {
    const { rows } = readPage(sectionOf(text, 'Act on a log line'));
    const quoted = rows.slice(1).flatMap(([first = '']) => spansIn(first));
    expect(quoted).not.toEqual([]);
    expect(quoted.filter((line) => !sources.includes(`'${line}'`))).toEqual([]);
  });

  it('docs/operations.md quotes only reasons of a rejected sign-in that the gateway or its OpenID libraries give', () => {
    const { rows } = readPage(sectionOf(text, 'Find out why a sign-in fails'));
    const jose = ['util/errors.js', 'lib/jws_verify.js'].map((path) => `jose/dist/webapi/${path}`);
    const libraries = ['oauth4webapi/build/index.js', ...jose];
    const said = sources + libraries.map((path) => read(`node_modules/${path}`)).join('');
    const quoted = rows
      .slice(1)
      .flatMap(([first = '']) => spansIn(first).filter((span) => span.includes(' ')));
    expect(quoted).not.toEqual([]);
    expect(quoted.filter((reason) => !reason.split('…').every((part) => said.includes(part)))).toEqual([]);
  });

  it('docs/operations.md explains every code of 500 and above', () => {
    const explained = readPage(sectionOf(text, 'Explain a 5xx response')).rows.flatMap(([first = '']) =>
      spansIn(first),
    );
    const codes = [...errorCodes()].filter(([, status]) => status >= 500);
    expect(new Set(explained)).toEqual(new Set(codes.map(([code]) => code)));
  });
});

/** Whether a relative link leads to a file, and to a heading of it where it names one. */
function leadsSomewhere(from: string, link: string): boolean {
  const [file = '', anchor] = link.split('#');
  const target = file === '' ? from : posix.join(posix.dirname(from), file);
  if (!existsSync(join(root, target))) return false;
  return anchor === undefined || pageOf(target).anchors.has(anchor);
}

/** The error codes of the gateway with their statuses, from their declaration. */
function errorCodes(): Map<string, number> {
  const [, table = ''] = /^const statuses = \{$(.*?)^\}/ms.exec(read('src/errors.ts')) ?? [];
  return new Map(
    Array.from(table.matchAll(/^ {2}(\w+): (\d{3}),$/gm), ([, code = '', status]) => [code, Number(status)]),
  );
}

/** The gateway's own endpoints, as the router has them. */
function browserEndpoints(): string[] {
  const none = () => {};
  const ways = {
    login: none,
    callback: none,
    passwordLogin: none,
    beginDecoupled: none,
    pollDecoupled: none,
    backchannelLogout: none,
    frontchannelLogout: none,
  };
  const mySessions = { list: none, endOne: none, endOthers: none };
  const router = createAuthRouter(
    { ...ways, session: none, check: none, extendSession: none, logout: none, mySessions, jwks: none },
    none,
  );
  return router.stack.flatMap(({ route }) =>
    (route?.stack ?? []).flatMap(({ method }) =>
      method === undefined ? [] : [`${method.toUpperCase()} /auth${route?.path.replace(/:(\w+)/, '{$1}')}`],
    ),
  );
}

/** Name, type and labels of each metric that is not the process's or the runtime's. */
async function ownMetrics(): Promise<[string, string, string[]][]> {
  const metrics = createMetrics();
  metrics.request('/api', 'GET', 200, 1);
  metrics.refresh('kept');
  metrics.upstream401('passed');
  metrics.sessionEnded('logout');
  metrics.storeError('load');
  metrics.tokenGrant('client', 'issued', 1);
  metrics.storeOperation('load', 1);
  metrics.upstreamResponse('/api', 1);
  metrics.rateLimited('login');
  metrics.readFrom({
    openWebSockets: () => 0,
    storeKeys: () => 0,
    breakers: () => [{ breaker: 'token_endpoint', isOpen: false }],
  });
  const all = await metrics.registry.getMetricsAsJSON();
  const ofScrape = await scrapeMetrics({ responding: 1, missing: 0 });
  const [, name = '', type = ''] = /^# TYPE (\w+) (\w+)$/m.exec(ofScrape) ?? [];
  const [, label = ''] = /\{(\w+)=/.exec(ofScrape) ?? [];
  const own = all
    .filter(({ name }) => !/^(?:process|nodejs)_/.test(name))
    .map(
      ({ name, type, values }) =>
        [name, String(type), Object.keys(values[0]?.labels ?? {}).filter((each) => each !== 'le')] satisfies [
          string,
          string,
          string[],
        ],
    );
  return [...own, [name, type, [label]]];
}
