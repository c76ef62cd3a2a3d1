#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { tryOut } from './check.ts';
import { ConfigError, formatProblems } from './config/config-error.ts';
import { loadConfig } from './config/load.ts';
import type { Config } from './config/schema.ts';
import { createLogger } from './log.ts';
import { serve } from './serve.ts';

/** Exit codes: sysexits' EX_CONFIG for a configuration that cannot be used. */
const EXIT_CONFIG = 78;
const EXIT_FAILURE = 1;
/** Signals this close together are one, in milliseconds. */
const SAME_SIGNAL_MS = 300;

const usage = `coatcheck: a token gateway for single-page apps

  coatcheck --config FILE          run the gateway
  coatcheck --config FILE --check  validate the file, try the store and the provider, report, and exit

Signals: SIGTERM and SIGINT drain and stop; a second one stops at once. SIGHUP reads session.secrets anew.
Exit codes: 0 clean stop, ${EXIT_CONFIG} configuration invalid, ${EXIT_FAILURE} anything else.`;

async function main(): Promise<void> {
  const args = readArguments();
  if (args === undefined || args.help) {
    console.log(usage);
    process.exitCode = args === undefined ? EXIT_FAILURE : 0;
    return;
  }
  const config = load(args.config);
  if (args.check) {
    process.exitCode = (await report(config, args.config)) ? 0 : EXIT_FAILURE;
    return;
  }
  await run(config, args.config);
}

/** Prints what `--check` found, one line each; gives true when all is well. */
async function report(config: Config, file: string): Promise<boolean> {
  const findings = [
    { name: 'configuration', ok: true, detail: `${file} is valid` },
    ...(await tryOut(config)),
  ];
  for (const { name, ok, detail } of findings) {
    console.log(`${ok ? 'ok    ' : 'FAILED'}  ${name.padEnd(13)}  ${detail}`);
  }
  return findings.every(({ ok }) => ok);
}

async function run(config: Config, file: string): Promise<void> {
  const log = createLogger(config.log);
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'uncaught exception');
    exit(EXIT_FAILURE);
  });
  const server = await serve(config, log).catch((error: unknown) => {
    log.fatal({ err: error }, 'the gateway could not start');
    return exit(EXIT_FAILURE);
  });

  process.on('SIGHUP', () => {
    try {
      server.replaceSecrets(loadConfig(file).session.secrets);
      log.info('session secrets read anew');
    } catch (error) {
      const problems =
        error instanceof ConfigError ? formatProblems(file, error.problems).split('\n') : undefined;
      log.error({ problems }, 'the configuration cannot be read anew; the old secrets stay');
    }
  });
  let askedAtMs: number | undefined;
  const stop = (signal: NodeJS.Signals) => {
    if (askedAtMs !== undefined) {
      // A signal to a process group comes twice when a wrapper such as npm passes its own on.
      if (performance.now() - askedAtMs > SAME_SIGNAL_MS) exit(EXIT_FAILURE);
      return;
    }
    askedAtMs = performance.now();
    log.info({ signal }, 'stopping');
    setTimeout(() => {
      log.error(
        { shutdownTimeoutMs: config.shutdownTimeout },
        'stopped before everything in flight had finished',
      );
      exit(EXIT_FAILURE);
    }, config.shutdownTimeout).unref();
    server.stop().then(
      () => {
        log.info('stopped');
        exit(0);
      },
      (error: unknown) => {
        log.error({ err: error }, 'stopping failed');
        exit(EXIT_FAILURE);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);

  /** pino writes what it has gathered on `exit`; nothing else is waited for. */
  function exit(code: number): never {
    process.exit(code);
  }
}

function readArguments(): { config: string; check: boolean; help: boolean } | undefined {
  try {
    const { values } = parseArgs({
      options: {
        config: { type: 'string', default: 'config/default.yaml' },
        check: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    return values;
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

function load(file: string): Config {
  try {
    return loadConfig(file);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const count = error.problems.length === 1 ? 'one problem' : `${error.problems.length} problems`;
    console.error(`The configuration cannot be used: ${count}.\n${formatProblems(file, error.problems)}`);
    process.exit(EXIT_CONFIG);
  }
}

await main();
