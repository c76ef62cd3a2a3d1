import type { Config } from '../config/schema/schema.ts';
import { removeStaleSocket } from '../http/server/unix-socket.ts';
import { createLogger, openDestination } from '../observability/log.ts';
import { applyV8Flags } from '../performance/v8-flags.ts';
import type { LoadedConfig } from '../provider/read-config.ts';
import { processRole, start } from '../workers/processes.ts';
import type { Arguments } from './arguments.ts';
import { EXIT_FAILURE } from './exit-codes.ts';
import { createReloading } from './reloading.ts';
import { watchFiles } from './watch.ts';

/** Repeated stop signals within this time count as one, in milliseconds. */
const DUPLICATE_SIGNAL_MS = 300;

/** Runs the gateway until a signal stops it. */
export async function run(loaded: LoadedConfig, { watch }: Pick<Arguments, 'watch'>): Promise<void> {
  applyV8Flags();
  const { config } = loaded;
  const role = processRole(config);
  const destination = openDestination(config.log, { isShared: role !== 'all' });
  const log = createLogger(config.log, destination);
  let { shutdownTimeout } = config;
  const crash = (error: unknown) => {
    log.fatal({ err: error }, 'uncaught exception');
    exit(EXIT_FAILURE);
  };
  process.on('uncaughtException', crash);
  // SECURITY: by default, Node.js wraps a reason that is not an Error and writes it into the message, which may be secret.
  process.on('unhandledRejection', crash);
  if (role !== 'worker') {
    try {
      await removeStaleSockets(config);
    } catch (error) {
      log.fatal({ err: error }, 'the gateway failed to start');
      exit(EXIT_FAILURE);
    }
  }
  let stopRequestedAtMs: number | undefined;
  // Registered before the start, so that early signals work like later ones.
  // The supervisor tells its workers when to reload.
  process.on('SIGHUP', role === 'worker' ? () => undefined : () => reloading.reload());
  process.on('SIGTERM', stop);
  // A terminal also sends SIGINT to the workers, but the supervisor decides when they stop.
  process.on('SIGINT', role === 'worker' ? () => undefined : stop);

  const service = start(loaded, log, (next) => {
    ({ shutdownTimeout } = next);
    log.level = next.log.level;
    destination.setFormat(next.log.format);
  });
  const reloading = createReloading({ loaded, service, log });
  void service.abandoned.then(() => {
    log.error('the supervisor has ended; this worker finishes what is in flight and stops');
    stop();
  });
  try {
    // Before the listeners: a change during the start counts as well.
    if (watch && role !== 'worker')
      watchFiles({
        paths: reloading.paths,
        haveChanged: reloading.haveFilesChanged,
        onChange: reloading.reload,
      });
    const { url, adminUrl } = await service.listening;
    if (role === 'worker') return;
    log.info({ url: adminUrl }, 'admin listening');
    log.info({ url, baseUrl: config.baseUrl }, 'gateway listening');
  } catch (error) {
    log.fatal({ err: error }, 'the gateway failed to start');
    exit(EXIT_FAILURE);
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
      log.error({ shutdownTimeoutMs: shutdownTimeout }, 'shutdown timed out; exiting with work in flight');
      exit(EXIT_FAILURE);
    }, shutdownTimeout).unref();
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

/** Workers share the sockets, so the process that starts them removes what is left of former ones. */
async function removeStaleSockets({ listen, admin }: Config): Promise<void> {
  for (const { socketPath } of [listen, admin.listen]) {
    if (socketPath !== undefined) await removeStaleSocket(socketPath);
  }
}
