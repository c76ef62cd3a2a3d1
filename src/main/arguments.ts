import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { EXIT_CONFIG, EXIT_FAILURE } from './exit-codes.ts';

/** The package's own configuration file, which reads environment variables. */
const DEFAULT_CONFIG = fileURLToPath(new URL('../../config/default.yaml', import.meta.url));

export const usage = `coatcheck: a token gateway for single-page apps

  coatcheck [--config FILE] [--watch]       run the gateway; with --watch, reload when the file or a file it names changes
  coatcheck [--config FILE] --check         validate the file, test what it names, print a report, and exit
  coatcheck [--config FILE] --print-config  print the file with every default, without secrets, and exit
  coatcheck --explain-access FILE --claims CLAIMS.json PATH
                                            print which route and which rule decide on PATH for these claims; exits with
                                            0 when it is allowed, else with ${EXIT_FAILURE}
  coatcheck --version                       print the versions of the gateway and of Node.js, and exit

Without --config, the environment configures the gateway: ISSUER, CLIENT_ID, CLIENT_SECRET, SESSION_SECRET, UPSTREAM.
Signals: SIGTERM and SIGINT drain and stop; a second one stops at once. SIGHUP reloads the configuration.
Exit codes: 0 clean stop, ${EXIT_CONFIG} configuration invalid, ${EXIT_FAILURE} anything else.`;

/** The command line. */
export type Arguments = {
  readonly config: string;
  readonly check: boolean;
  readonly 'print-config': boolean;
  /** The configuration file to explain. */
  readonly 'explain-access'?: string | undefined;
  readonly claims?: string | undefined;
  /** The path to explain. */
  readonly path?: string | undefined;
  readonly watch: boolean;
  readonly version: boolean;
  readonly help: boolean;
};

/** Parses the command line. On invalid arguments, prints the usage and returns undefined. */
export function readArguments(): Arguments | undefined {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        config: { type: 'string', default: DEFAULT_CONFIG },
        check: { type: 'boolean', default: false },
        'print-config': { type: 'boolean', default: false },
        'explain-access': { type: 'string' },
        claims: { type: 'string' },
        watch: { type: 'boolean', default: false },
        version: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    const [path, ...others] = positionals;
    const isExplaining = values['explain-access'] !== undefined;
    const [unexpected] = isExplaining ? others : positionals;
    if (unexpected !== undefined) throw new TypeError(`Unexpected argument '${unexpected}'`);
    if (isExplaining !== (values.claims !== undefined) || (isExplaining && path === undefined))
      throw new TypeError(
        '--explain-access needs --claims FILE and a path, and --claims needs --explain-access',
      );
    return { ...values, path };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    console.error(`${message}\n\n${usage}`);
    return undefined;
  }
}
