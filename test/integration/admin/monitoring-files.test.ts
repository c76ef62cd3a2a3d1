import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type TestGateway, openTestGateway } from '../../../testkit/gateway/test-gateway.ts';

const read = (file: string) =>
  readFileSync(fileURLToPath(new URL(`../../../deploy/${file}`, import.meta.url)), 'utf8');

let opened: TestGateway;
/** The names of all series that `/metrics` can have. */
let names: Set<string>;

beforeAll(async () => {
  opened = await openTestGateway();
  const metrics = await (await fetch(`${opened.gateway.adminUrl}/metrics`)).text();
  const types = [...metrics.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  names = new Set(
    types.flatMap(([, name = '', type]) =>
      type === 'histogram' ? ['_bucket', '_sum', '_count'].map((suffix) => name + suffix) : [name],
    ),
  );
});

afterAll(() => opened.close());

it('the alerts of deploy/prometheus name only metrics that the gateway exposes', () => {
  const rules: { alert: string; expr: string }[] = parse(read('prometheus/coatcheck.rules.yaml')).groups[0]
    .rules;
  expect(rules.length).toBeGreaterThan(0);
  const used = rules.flatMap(({ expr }) => metricsIn(expr));
  expect(used.length).toBeGreaterThan(rules.length);
  expect(used.filter((name) => !names.has(name))).toEqual([]);
});

it('the dashboard of deploy/grafana names only metrics that the gateway exposes', () => {
  const { panels, templating } = JSON.parse(read('grafana/coatcheck.json'));
  const expressions: string[] = panels.flatMap(({ targets }: { targets: { expr: string }[] }) =>
    targets.map(({ expr }) => expr),
  );
  expect(expressions.length).toBeGreaterThan(0);
  const used = [...expressions, JSON.stringify(templating)].flatMap(metricsIn);
  expect(used.filter((name) => !names.has(name))).toEqual([]);
});

it('every metric of the gateway other than those of its process is on the dashboard or in an alert', () => {
  const text = read('prometheus/coatcheck.rules.yaml') + read('grafana/coatcheck.json');
  const shown = new Set(metricsIn(text));
  const own = [...names].filter((name) => !/^(process|nodejs)_/.test(name) && !/_(sum|count)$/.test(name));
  expect(own.filter((name) => !shown.has(name))).toEqual([]);
});

function metricsIn(text: string): string[] {
  return text.match(/coatcheck_\w+/g) ?? [];
}
