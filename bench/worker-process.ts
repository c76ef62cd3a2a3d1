/** A question to a part: by its number the answer finds its way back. */
export type WorkerRequest = { id: number; name: string; argument: unknown };
/** What a part says: once that it is ready, and then its answers. */
export type WorkerMessage =
  { hello: unknown } | { id: number; value: unknown } | { id: number; error: string };

// Whoever imports this is a part, and ends with the process that started it, however that one ends. Signals such as that
// of Ctrl-C reach both, and are left to that one.
process.on('disconnect', () => process.exit());
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);
if (!process.connected) process.exit();

/** The options with which the part was started. */
export function workerOptions<T>(): T {
  return JSON.parse(process.argv[2] ?? 'null') as T;
}

/** Says that the part is ready, and answers questions from then on. */
export function serveWorker(hello: unknown, commands: Record<string, (argument: never) => unknown>): void {
  const say = (statement: WorkerMessage) => process.send?.(statement);
  const respond = async ({ id, name, argument }: WorkerRequest) => {
    try {
      const find = commands[name] as ((argument: unknown) => unknown) | undefined;
      if (find === undefined) throw new Error(`unknown command ${name}`);
      say({ id, value: await find(argument) });
    } catch (error) {
      say({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  };
  process.on('message', (question: WorkerRequest) => void respond(question));
  say({ hello });
}
