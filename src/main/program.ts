import { checkDependencies } from '../check.ts';
import { ConfigError, formatProblems } from '../config/config-error.ts';
import type { Config } from '../config/schema/schema.ts';
import { createLogger, openDestination } from '../observability/log.ts';
import { applyV8Flags } from '../performance/v8-flags.ts';
import { describeConfig, loadConfig } from '../provider/read-config.ts';
import { VERSION } from '../version.ts';
import { processRole, start } from '../workers/processes.ts';
import { readArguments, usage } from './arguments.ts';
import { EXIT_CONFIG, EXIT_FAILURE } from './exit-codes.ts';

/** Repeated stop signals within this time count as one, in milliseconds. */
const DUPLICATE_SIGNAL_MS = 300;

/** Runs the program with the arguments of this process. */
export async function main(): Promise<void> {
  const args = readArguments();
  if (args === undefined) {
    process.exitCode = EXIT_FAILURE;
    return;
  }
  if (args.help) {
    console.log(usage);
    return;
  }
  if (args.version) {
    console.log(`coatcheck ${VERSION}\nNode.js ${process.version}`);
    return;
  }
  if (args['print-config']) {
    process.stdout.write(orExit(args.config, describeConfig));
    return;
  }
  const config = orExit(args.config, loadConfig);
  if (args.check) {
    const isHealthy = await report(config, args.config);
    // Exits now: after a failed connection, ioredis 6 would keep the event loop alive for 2 s.
    process.exit(isHealthy ? 0 : EXIT_FAILURE);
  }
  await run(config, args.config);
}

/** Prints the results of `--check`, one per line. Returns false if any check failed. */
async function report(config: Config, file: string): Promise<boolean> {
  const results = [
    { name: 'configuration', verdict: 'ok' as const, detail: `${file} is valid` },
    ...(await checkDependencies(config)),
  ];
  const labels = { ok: 'ok', note: 'note', failed: 'FAILED' };
  for (const { name, verdict, detail } of results) {
    console.log(`${labels[verdict].padEnd(6)}  ${name.padEnd(13)}  ${detail}`);
  }
  return results.every(({ verdict }) => verdict !== 'failed');
}

async function run(config: Config, file: string): Promise<void> {
  applyV8Flags();
  const role = processRole(config);
  const log = createLogger(config.log, openDestination(config.log, { isShared: role !== 'all' }));
  const crash = (error: unknown) => {
    log.fatal({ err: error }, 'uncaught exception');
    exit(EXIT_FAILURE);
  };
  process.on('uncaughtException', crash);
  // SECURITY: by default, Node.js wraps a reason that is not an Error and writes it into the message, which may be secret.
  process.on('unhandledRejection', crash);
  let stopRequestedAtMs: number | undefined;
  // Registered before the start, so that early signals work like later ones.
  process.on('SIGHUP', () => void reload());
  process.on('SIGTERM', stop);
  // A terminal also sends SIGINT to the workers, but the supervisor decides when they stop.
  process.on('SIGINT', role === 'worker' ? () => undefined : stop);

  const service = start(config, log);
  void service.abandoned.then(() => {
    log.error('the supervisor has ended; this worker finishes what is in flight and stops');
    stop();
  });
  try {
    const { url, adminUrl } = await service.listening;
    if (role === 'worker') return;
    log.info({ url: adminUrl }, 'admin listening');
    log.info({ url, baseUrl: config.baseUrl }, 'gateway listening');
  } catch (error) {
    log.fatal({ err: error }, 'the gateway failed to start');
    exit(EXIT_FAILURE);
  }

  async function reload(): Promise<void> {
    try {
      await service.replaceSecrets(loadConfig(file));
      log.info('session secrets reloaded');
    } catch (error) {
      const problems =
        error instanceof ConfigError ? formatProblems(file, error.problems).split('\n') : undefined;
      log.error({ problems }, 'config reload failed; keeping the current settings');
    }
  }

  function stop(signal?: NodeJS.Signals): void {
    if (stopRequestedAtMs !== undefined) {
      // A signal to a process group arrives twice when a wrapper such as npm forwards its own copy.
      if (performance.now() - stopRequestedAtMs > DUPLICATE_SIGNAL_MS) exit(EXIT_FAILURE);
      return;
    }
    stopRequestedAtMs = performance.now();
    log.info({ signal }, 'stopping');
    setTimeout(() => {
      log.error(
        { shutdownTimeoutMs: config.shutdownTimeout },
        'shutdown timed out; exiting with work in flight',
      );
      exit(EXIT_FAILURE);
    }, config.shutdownTimeout).unref();
    service.stop().then(
      () => {
        log.info('stopped');
        exit(0);
      },
      (error: unknown) => {
        log.error({ err: error }, 'shutdown failed');
        exit(EXIT_FAILURE);
      },
    );
  }

  /** The logger writes its buffer on the `exit` event; nothing else needs to finish. */
  function exit(code: number): never {
    process.exit(code);
  }
}

/** Reads the configuration file. Lists its problems and exits when it is invalid. */
function orExit<Result>(file: string, read: (file: string) => Result): Result {
  try {
    return read(file);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const count = error.problems.length === 1 ? 'one problem' : `${error.problems.length} problems`;
    console.error(`The configuration is invalid: ${count}.\n${formatProblems(file, error.problems)}`);
    process.exit(EXIT_CONFIG);
  }
}
