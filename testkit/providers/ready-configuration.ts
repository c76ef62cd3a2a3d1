import { readFileSync } from 'node:fs';
import { interpolate } from '../../src/config/interpolation.ts';
import { readYaml } from '../../src/config/diagnostics/yaml-file.ts';

const directory = new URL('../../config/providers/', import.meta.url);

type ReadyConfiguration = { readonly provider: Record<string, unknown>; readonly keys?: unknown };

/** The text and the URL of a ready configuration. */
function readyText(name: string): { url: URL; text: string } {
  const url = new URL(`${name}.yaml`, directory);
  return { url, text: readFileSync(url, 'utf8') };
}

/** A ready configuration with its variables replaced from `env`. */
export function readyConfiguration(name: string, env: Record<string, string>): ReadyConfiguration {
  const yaml = readYaml(readyText(name).text);
  const readFile = () => {
    throw new Error('a ready configuration reads no file');
  };
  yaml.changeTexts((text) => interpolate(text, { env, readFile }).text);
  return yaml.toPlain() as ReadyConfiguration;
}

/** The `provider` section of one. */
export function readyProvider(name: string, env: Record<string, string>): Record<string, unknown> {
  return readyConfiguration(name, env).provider;
}
