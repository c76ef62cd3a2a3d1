import { createRequire } from 'node:module';
import type * as undici from 'undici';

/**
 * The parts of undici that the gateway uses. The whole package, with its `fetch` and its caches, takes 9 MB more of each
 * process. Measurements: `docs/decisions/0016-v8-flags.md`.
 */
const require = createRequire(import.meta.url);

export const Agent: typeof undici.Agent = require('undici/lib/dispatcher/agent.js');
export const buildConnector: typeof undici.buildConnector = require('undici/lib/core/connect.js');
export const errors: typeof undici.errors = require('undici/lib/core/errors.js');
