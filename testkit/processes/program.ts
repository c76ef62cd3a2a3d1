import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { canaries } from '../secrets/canaries.ts';
import { keepPrivateKeys } from '../secrets/private-keys.ts';
import { type ChildExit, type ChildProcess, startChildProcess } from './child-process.ts';
import { freePort } from '../network/free-port.ts';
import { SESSION_SECRET, type GatewayParts, gatewayConfig, merged } from '../gateway/gateway-config.ts';

/** The built program in its own process. */
export type Program = Pick<
  ChildProcess,
  'pid' | 'stdout' | 'stderr' | 'waitForOutput' | 'signal' | 'killAlone' | 'exit'
> & {
  /** The URL of the public listener. */
  readonly url: string;
  readonly port: number;
  readonly adminUrl: string;
  /** Its configuration file, in which `${PORT}` is its port. */
  readonly file: string;
  /** Writes the configuration file anew, with these keys changed from those at the start. */
  reconfigure(changes: Record<string, unknown>): Promise<void>;
  /** Stops the process by SIGTERM, and by SIGKILL if it does not end in time. */
  close(): Promise<void>;
};

/**
 * The text of a configuration file, in which `${PORT}` is a free port, or the parts to build one from; further arguments, and
 * variables that are added to an environment that has little more than `PATH`.
 */
export type ProgramOptions = { args?: readonly string[]; env?: Record<string, string> } & (
  { yaml: string } | (GatewayParts & { baseUrl?: string })
);

/** The output and exit of a finished program. */
export type ProgramResult = ChildExit & { stdout: string; stderr: string };

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const ATTEMPTS = 5;

/**
 * Starts the built program with a configuration file of its own, and waits until it listens.
 *
 * @throws Error, with its output, when it ends before that.
 */
export async function startProgram(options: ProgramOptions): Promise<Program> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const text = configText(options, port);
    const { child, file } = await launch(text, [...(options.args ?? []), '--config'], {
      ...options.env,
      PORT: `${port}`,
    });
    try {
      const url = await child.waitForOutput((text) => urlIn(text, 'gateway listening'));
      canaries.followPort(Number(new URL(url).port));
      canaries.keepSessionSecrets([SESSION_SECRET]);
      const adminUrl = await child.waitForOutput((text) => urlIn(text, 'admin listening'));
      return {
        ...child,
        url,
        port: Number(new URL(url).port),
        adminUrl,
        file,
        reconfigure: (changes) => writeFile(file, JSON.stringify(merged(parse(text), changes))),
        close: async () => {
          child.signal('SIGCONT');
          await child.terminate(3000);
        },
      };
    } catch (error) {
      await child.terminate(0);
      const isTaken = `${child.stdout()}${child.stderr()}`.includes('EADDRINUSE');
      if (!isTaken || attempt === ATTEMPTS) throw error;
    }
  }
}

/** Runs the built program to its end, as with `--check` or an invalid configuration file. */
export async function runProgram(
  yaml: string,
  { args = [], env = {} }: { args?: string[]; env?: Record<string, string> } = {},
): Promise<ProgramResult> {
  const { child } = await launch(yaml, [...args, '--config'], env);
  const exit = await child.exit;
  return { ...exit, stdout: child.stdout(), stderr: child.stderr() };
}

/** The workers of a program. The guard process of the tests is not one of them. */
export async function workersOf({ pid }: Pick<Program, 'pid'>): Promise<number[]> {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8'))
    .trim()
    .split(' ')
    .map(Number);
  const commands = await Promise.all(
    children.map((child) => readFile(`/proc/${child}/cmdline`, 'utf8').catch(() => '')),
  );
  return children.filter((_child, at) => commands[at]?.startsWith(process.execPath));
}

/** Starts the program with the path of a new file as its last argument. The file is removed when the process ends. */
async function launch(
  text: string,
  args: string[],
  env: Record<string, string>,
): Promise<{ child: ChildProcess; file: string }> {
  if (!existsSync(MAIN)) throw new Error('dist/main.js is missing: run npm run build first');
  const directory = await mkdtemp(join(tmpdir(), 'coatcheck-program-'));
  const file = join(directory, 'coatcheck.yaml');
  await writeFile(file, text);
  const { PATH = '', HOME = '', TMPDIR = tmpdir() } = process.env;
  const child = startChildProcess(process.execPath, [MAIN, ...args, file], {
    env: { PATH, HOME, TMPDIR, ...env },
  });
  void child.exit.then(async () => {
    canaries.see('the output of the program', child.stdout() + child.stderr());
    await rm(directory, { recursive: true, force: true });
  });
  return { child, file };
}

function configText(options: ProgramOptions, port: number): string {
  if ('yaml' in options) return options.yaml;
  const listen = `127.0.0.1:${port}`;
  const config = gatewayConfig(options, options.baseUrl ?? `http://${listen}`, listen);
  keepPrivateKeys(canaries, config);
  return JSON.stringify(config);
}

/** The `url` of the first whole JSON line with this message. */
function urlIn(stdout: string, message: string): string | undefined {
  for (const line of stdout.split('\n').slice(0, -1)) {
    if (!line.includes(`"${message}"`)) continue;
    const { msg, url } = JSON.parse(line) as { msg?: string; url?: string };
    if (msg === message) return url;
  }
  return undefined;
}
