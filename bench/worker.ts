import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { WorkerRequest, WorkerMessage } from './worker-process.ts';

/** The ready message of a worker, and its commands. */
export type WorkerShape = { ready: unknown; commands: Record<string, (argument: never) => unknown> };

/** A script of this directory, running in its own process. */
export type Worker<Shape extends WorkerShape> = {
  readonly pid: number;
  readonly ready: Shape['ready'];
  /** Runs a command; rejects when the command fails or the process has ended. */
  ask<Name extends keyof Shape['commands'] & string>(
    name: Name,
    ...argument: Parameters<Shape['commands'][Name]>
  ): Promise<Awaited<ReturnType<Shape['commands'][Name]>>>;
  close(): Promise<void>;
};

/** Starts a script of this directory, such as `load/load.ts`, with options, and waits until it is ready. */
export async function startWorker<Shape extends WorkerShape>(
  script: string,
  options: unknown = null,
): Promise<Worker<Shape>> {
  const file = fileURLToPath(new URL(script, import.meta.url));
  const child = fork(file, [JSON.stringify(options)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  const started = Promise.withResolvers<unknown>();
  const ended = once(child, 'exit');
  let closing = false;
  let sentRequests = 0;

  child.on('message', (message: WorkerMessage) => {
    if ('ready' in message) return started.resolve(message.ready);
    const request = waiting.get(message.id);
    waiting.delete(message.id);
    if ('error' in message) request?.reject(new Error(`${script}: ${message.error}`));
    else request?.resolve(message.value);
  });
  child.once('exit', (code, signal) => {
    const error = new Error(`${script} exited early (${code ?? signal})`);
    started.reject(error);
    for (const { reject } of waiting.values()) reject(error);
    if (!closing) console.error(`✗ ${error.message}`);
  });
  const ready = await started.promise;
  if (child.pid === undefined) throw new Error(`${script} has no process`);

  return {
    pid: child.pid,
    ready,
    ask: (name, ...[argument]) => {
      const id = (sentRequests += 1);
      const request = Promise.withResolvers<unknown>();
      waiting.set(id, request);
      child.send({ id, name, argument } satisfies WorkerRequest);
      return request.promise as Promise<Awaited<ReturnType<Shape['commands'][typeof name]>>>;
    },
    close: async () => {
      closing = true;
      child.kill('SIGKILL');
      await ended;
    },
  };
}
