import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { constants } from 'node:os';
import { Failure } from './failure.mjs';

const passedOn = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** The same signal twice within this time counts as one: npm forwards signals that the child already received. */
const echoMs = 500;

/** Runs a program to its end and records its output. Resolves to `{ code, output }`; never reads the terminal. */
export function capture(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    const relay = relaySignals(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk) => (output += chunk));
    }
    child.once('error', (error) => {
      relay.stop();
      resolve({ code: 127, output: error.message });
    });
    child.once('close', (code, signal) => {
      const told = relay.stop();
      if (told) reject(new Failure(`stopped by ${told}`, { exitCode: exitCodeOf(null, told) }));
      else resolve({ code: exitCodeOf(code, signal), output });
    });
  });
}

/** Runs a program in the foreground, with this terminal and these signals. Resolves to the exit code to pass on. */
export function attach(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: 'inherit' });
    const relay = relaySignals(child);
    child.once('error', (error) => {
      relay.stop();
      reject(new Failure(`${command} failed to start: ${error.message}`));
    });
    child.once('exit', (code, signal) => {
      relay.stop();
      resolve(exitCodeOf(code, signal));
    });
  });
}

/**
 * Forwards the signals of this process to the child, each once: a second SIGINT or SIGTERM stops the gateway at once.
 * Returns `stop`, which returns the first received signal.
 */
function relaySignals(child) {
  const terminal = hasTerminal();
  const last = new Map();
  let first;

  const onSignal = (signal) => {
    first ??= signal;
    const now = Date.now();
    const echo = now - (last.get(signal) ?? -Infinity) < echoMs;
    last.set(signal, now);
    // Ctrl-C reaches every process in the terminal's foreground, so the child has already received it.
    if (echo || (signal === 'SIGINT' && terminal)) return;
    // A closed terminal window must end the program, whereas SIGHUP reloads a service.
    child.kill(signal === 'SIGHUP' && terminal && !hasTerminal() ? 'SIGTERM' : signal);
  };

  for (const signal of passedOn) process.on(signal, onSignal);
  return {
    stop() {
      for (const signal of passedOn) process.off(signal, onSignal);
      return first;
    },
  };
}

/** Whether the process has a controlling terminal, whatever its input and output are redirected to. */
function hasTerminal() {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}

/** The shell's convention: 128 and the signal's number for a program that a signal ended. */
function exitCodeOf(code, signal) {
  return code ?? 128 + constants.signals[signal];
}
