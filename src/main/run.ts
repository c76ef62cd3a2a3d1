import type { FileTexts } from '../config/sources.ts';
import { removeStaleSocket } from '../http/server/unix-socket.ts';
import { createLogger, openDestination, type Logger } from '../observability/log.ts';
import type { Service } from '../workers/service.ts';
import type { SupervisorSettings } from '../workers/supervisor-service.ts';
import { EXIT_FAILURE } from './exit-codes.ts';
import type { Reading } from './reading.ts';
import { createReloading } from './reloading.ts';
import { watchFiles } from './watch.ts';

/** Repeated stop signals within this time count as one, in milliseconds. */
const DUPLICATE_SIGNAL_MS = 300;

/** The role of a process; `all` means that it serves without workers. */
type ProcessRole = 'all' | 'supervisor' | 'worker';
type ProcessSettings = Omit<SupervisorSettings, 'keptKeys' | 'provider' | 'workers'>;

/** Runs the gateway, or this process's part of it, until a signal stops it. */
export async function run<Settings extends ProcessSettings>(program: {
  role: ProcessRole;
  file: string;
  texts: FileTexts;
  settings: Settings;
  watch: boolean;
  start: (log: Logger, onReload: (settings: Settings) => void) => Service<Settings>;
  /** Reads the configuration again. */
  read: () => Promise<Reading<Settings>>;
}): Promise<void> {
  const { role, file, texts, settings, watch, start, read } = program;
  const destination = openDestination(settings.log, { isShared: role !== 'all' });
  const log = createLogger(settings.log, destination);
  let { shutdownTimeout } = settings;
  const crash = (error: unknown) => {
    log.fatal({ err: error }, 'uncaught exception');
    exit(EXIT_FAILURE);
  };
  process.on('uncaughtException', crash);
  // SECURITY: by default, Node.js wraps a reason that is not an Error and writes it into the message, which may be secret.
  process.on('unhandledRejection', crash);
  if (role !== 'worker') {
    try {
      await removeStaleSockets(settings);
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

  const service = start(log, (next) => {
    ({ shutdownTimeout } = next);
    log.level = next.log.level;
    destination.setFormat(next.log.format);
  });
  const reloading = createReloading({ file, texts, read, service, log });
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
    log.info({ url, baseUrl: settings.baseUrl }, 'gateway listening');
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
async function removeStaleSockets({ listen, admin }: ProcessSettings): Promise<void> {
  for (const { socketPath } of [listen, admin.listen]) {
    if (socketPath !== undefined) await removeStaleSocket(socketPath);
  }
}
