import { spawn } from 'node:child_process';

/** How a child process ended: by an exit code or by a signal. */
export type ChildExit = { code: number | null; signal: NodeJS.Signals | null };

/** A running child process whose output is recorded. */
export type ChildProcess = {
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  signal(signal: NodeJS.Signals): void;
  /** Kills the process itself (SIGKILL) and leaves its own children running, which then must end by themselves. */
  killAlone(): void;
  /**
   * Resolves with the first defined value `read` finds in the standard output.
   *
   * @throws Error when the child ends first or `timeoutMs` pass, with all output in the message.
   */
  waitForOutput<T>(read: (stdout: string) => T | undefined, timeoutMs?: number): Promise<T>;
  /** Resolves once the process has ended and its output is complete. */
  readonly exit: Promise<ChildExit>;
  /** Sends SIGTERM, and SIGKILL after `graceMs`. */
  terminate(graceMs?: number): Promise<ChildExit>;
};

/** The options of a child process. */
export type ChildOptions = { env?: NodeJS.ProcessEnv; cwd?: string };

/**
 * A shell in the child's group waits for the end of a pipe that only the parent holds open. However the
 * parent ends, even by SIGKILL, the pipe closes and the shell kills the child, even one that is stopped (SIGSTOP).
 */
const GUARD = '(cat <&3; kill -9 $$) >/dev/null 2>&1 & exec "$@" 3<&-';

/** Starts a child process that cannot outlive this one. */
export function startChildProcess(
  command: string,
  args: readonly string[],
  options: ChildOptions = {},
): ChildProcess {
  // Its own process group, which the guard shares, so that the system does not reuse its number.
  const child = spawn('/bin/sh', ['-c', GUARD, 'sh', command, ...args], {
    ...options,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`cannot start ${command}`);

  let stdout = '';
  let stderr = '';
  let ended: ChildExit | undefined;
  const listeners = new Set<() => void>();
  const notify = () => listeners.forEach((listener) => listener());

  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    notify();
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  // The pipe breaks when the guard is killed, which is expected.
  child.stdio[3]?.on('error', () => {});
  let isGroupSpared = false;
  child.once('exit', () => isGroupSpared || killGroup(pid));
  // Nobody is left to write, except the guard, which keeps its pipe open.
  child.stdout?.once('close', () => isGroupSpared && killGroup(pid));
  const exit = new Promise<ChildExit>((resolve) => {
    child.once('close', (code, signal) => {
      ended = { code, signal };
      resolve(ended);
      notify();
    });
  });

  const signal = (name: NodeJS.Signals) => {
    child.kill(name);
  };

  return {
    pid,
    stdout: () => stdout,
    stderr: () => stderr,
    signal,
    killAlone() {
      isGroupSpared = true;
      child.kill('SIGKILL');
    },
    exit,

    waitForOutput: (read, timeoutMs = 180_000) =>
      new Promise((resolve, reject) => {
        const finish = (settle: () => void) => {
          clearTimeout(timer);
          listeners.delete(look);
          settle();
        };
        const fail = (what: string) =>
          finish(() => reject(new Error(`${command} ${what}\n${stdout}\n${stderr}`)));
        const look = () => {
          const found = read(stdout);
          if (found !== undefined) finish(() => resolve(found));
          else if (ended !== undefined) fail(`ended early (${ended.code ?? ended.signal})`);
        };
        const timer = setTimeout(() => fail('did not print what was waited for'), timeoutMs);
        listeners.add(look);
        look();
      }),

    terminate: async (graceMs = 10_000) => {
      if (ended !== undefined) return ended;
      if (isGroupSpared) killGroup(pid);
      signal('SIGTERM');
      const timer = setTimeout(() => signal('SIGKILL'), graceMs);
      const how = await exit;
      clearTimeout(timer);
      return how;
    },
  };
}

/** Kills the guard and all remaining processes of the group. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // No process remained.
  }
}
