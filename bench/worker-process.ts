/** A request to a worker; the reply carries the same id. */
export type WorkerRequest = { id: number; name: string; argument: unknown };
/** A message from a worker: first that it is ready, then replies. */
export type WorkerMessage =
  { ready: unknown } | { id: number; value: unknown } | { id: number; error: string };

// A script that imports this module is a worker and ends with its parent, however the parent ends. Signals such as that
// of Ctrl-C reach both processes; the parent handles them.
process.on('disconnect', () => process.exit());
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);
if (!process.connected) process.exit();

/** The options that the parent passed. */
export function workerOptions<T>(): T {
  return JSON.parse(process.argv[2] ?? 'null') as T;
}

/** Reports that the worker is ready and serves commands from then on. */
export function serveWorker(ready: unknown, commands: Record<string, (argument: never) => unknown>): void {
  const say = (message: WorkerMessage) => process.send?.(message);
  const respond = async ({ id, name, argument }: WorkerRequest) => {
    try {
      const find = commands[name] as ((argument: unknown) => unknown) | undefined;
      if (find === undefined) throw new Error(`unknown command ${name}`);
      say({ id, value: await find(argument) });
    } catch (error) {
      say({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  };
  process.on('message', (request: WorkerRequest) => void respond(request));
  say({ ready });
}
