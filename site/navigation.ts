import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the repository. */
export const root = fileURLToPath(new URL('..', import.meta.url));

/** The pages of the site by task. `test/unit/docs-site.test.ts` says when one is missing. */
const groups: Readonly<Record<string, readonly string[]>> = {
  'Get started': ['docs/README.md', 'docs/get-started.md', 'docs/comparison.md'],
  'Build the app': [
    'docs/sign-in.md',
    'docs/calling-apis.md',
    'docs/step-up.md',
    'docs/frontends.md',
    'docs/library.md',
    'examples/README.md',
  ],
  'Connect a provider and APIs': ['docs/providers.md', 'docs/route-tokens.md', 'docs/access.md'],
  'Deploy and operate': [
    'docs/operations.md',
    'deploy/README.md',
    'docs/telemetry.md',
    'docs/audit.md',
    'docs/performance.md',
    'docs/capacity.md',
    'docs/upgrading.md',
  ],
  Secure: [
    'docs/security.md',
    'docs/security/data.md',
    'docs/security/requirements.md',
    'docs/security/conformance.md',
    'docs/security/advisories.md',
    'docs/dpop.md',
    'docs/fapi.md',
  ],
  Migrate: globSync('docs/migrate/*.md', { cwd: root }).sort(),
  Reference: [
    'docs/configuration.md',
    'docs/endpoints.md',
    'docs/sessions.md',
    'docs/refresh.md',
    'docs/glossary.md',
  ],
  'The project': ['docs/architecture.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md'],
  Decisions: globSync('docs/decisions/*.md', { cwd: root }).sort(),
};

/** Every page of the site, by its path in the repository, with its path in the site. */
export const pages: ReadonlyMap<string, string> = new Map(
  Object.values(groups)
    .flat()
    .map((source) => [source, addressOf(source)]),
);

/** The sidebar, with the title of each page. */
export function sidebar() {
  return Object.entries(groups).map(([text, sources]) => ({
    text,
    collapsed: text === 'Decisions',
    items: sources.map((source) => ({ text: titleOf(source), link: `/${addressOf(source)}` })),
  }));
}

function addressOf(source: string): string {
  if (source === 'docs/README.md') return 'index.md';
  const address = source.replace(/^docs\//, '').replace(/\/README\.md$/, '.md');
  return source.startsWith('docs/') ? address : address.toLowerCase().replace('security', 'security-policy');
}

function titleOf(source: string): string {
  const [, title = source] = /^# (.+)$/m.exec(readFileSync(join(root, source), 'utf8')) ?? [];
  return title;
}
