import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FileTexts } from '../config/sources.ts';
import type { SupervisorSettings } from '../workers/supervisor-service.ts';
import type { Reading } from './reading.ts';

/** What a child process reads; with the files of the start when it is for a reload. */
export type ConfigRequest = { readonly file: string; readonly initial?: FileTexts };

/** `code` is that of the error. */
export type ConfigResponse = { readonly reading: Reading<SupervisorSettings>; readonly code?: unknown };

const ENTRY = fileURLToPath(new URL('config-child.js', import.meta.url));

/**
 * Reads the configuration in a child process, which takes the memory for the modules that do with it when it ends. Rejects when
 * the child cannot be started or ends without a result.
 *
 * SECURITY: the files may hold secrets. The channel is a socket pair between two processes of the same user.
 */
export function readConfigInChild(request: ConfigRequest): Promise<Reading<SupervisorSettings>> {
  return new Promise((resolve, reject) => {
    // Only one process can listen on the port of a debugger.
    const execArgv = process.execArgv.filter((argument) => !argument.startsWith('--inspect'));
    const child = fork(ENTRY, { execArgv, serialization: 'advanced' });
    child.on('message', (message: 'getRequest' | ConfigResponse) => {
      if (message === 'getRequest') return void child.send(request);
      const { reading, code } = message;
      if (code !== undefined && 'error' in reading.result)
        Object.assign(Object(reading.result.error), { code });
      resolve(reading);
    });
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      reject(new Error(`the process that reads the configuration exited with ${code ?? signal}`)),
    );
  });
}
