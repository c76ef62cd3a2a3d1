import { createRequire } from 'node:module';
import type * as undici from 'undici';

/**
 * The parts of undici that the gateway uses. The whole package, with its `fetch` and its caches, takes 9 MB more of each
 * process. Measurements: `docs/decisions/0039-memory-of-processes.md`.
 */
export const { Agent, buildConnector, errors }: Parts = loadParts();

type Parts = Pick<typeof undici, 'Agent' | 'buildConnector' | 'errors'>;

function loadParts(): Parts {
  const require = createRequire(import.meta.url);
  try {
    return {
      Agent: require('undici/lib/dispatcher/agent.js'),
      buildConnector: require('undici/lib/core/connect.js'),
      errors: require('undici/lib/core/errors.js'),
    };
  } catch {
    // Another version may have moved the files, which are none of its interface.
    return require('undici');
  }
}
