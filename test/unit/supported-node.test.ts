import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { isSupportedNode, unsupportedNodeMessage } from '../../src/supported-node.ts';

it.each([
  ['v24.0.0', true],
  ['v24.21.0', true],
  ['v26.1.0', true],
  ['v30.0.0', true],
  ['v18.20.8', false],
  ['v22.11.0', false],
  ['v23.1.0', false],
  ['v25.0.0', false],
])('Node.js %s is supported: %s', (version, supported) => {
  expect(isSupportedNode(version)).toBe(supported);
});

it('the supported versions are those of package.json', () => {
  const { engines } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    engines: { node: string };
  };
  expect(engines.node).toBe('^24.0.0 || >=26.0.0');
  expect(unsupportedNodeMessage('v22.0.0')).toBe(
    'Coatcheck needs Node.js 24, or 26 and later; this is v22.0.0.',
  );
});
