import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { startChildProcess } from '../../../testkit/processes/child-process.ts';

const MODULE = new URL('../../../testkit/processes/child-process.ts', import.meta.url).href;

describe('the child process helper', () => {
  it('returns the exit code and all output', async () => {
    const child = startChildProcess('sh', ['-c', 'echo out; echo err >&2; exit 3']);
    expect(await child.exit).toEqual({ code: 3, signal: null });
    expect([child.stdout(), child.stderr()]).toEqual(['out\n', 'err\n']);
  });

  it('rejects a pending wait for output when the process exits early', async () => {
    const child = startChildProcess('sh', ['-c', 'echo no luck; exit 3']);
    const line = child.waitForOutput((text) => text.match(/ready/)?.[0]);
    await expect(line).rejects.toThrow(/ended early \(3\)\nno luck/);
  });

  it('kills a process that ignores SIGTERM', async () => {
    const child = startChildProcess('sh', ['-c', 'trap "" TERM; echo ready; while :; do sleep 1; done']);
    await child.waitForOutput((text) => text.match(/ready/)?.[0]);
    expect(await child.terminate(50)).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('ends the child when the parent is killed', async () => {
    const listener = `require('net').createServer().listen(0, '127.0.0.1', function () { console.log(this.address().port) })`;
    const script = `
      import { startChildProcess } from '${MODULE}';
      const child = startChildProcess(process.execPath, ['-e', ${JSON.stringify(listener)}]);
      console.log(await child.waitForOutput((text) => text.match(/\\d+/)?.[0]));
    `;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [port] = (await once(createInterface(parent.stdout), 'line')) as [string];
    // A connection to the grandchild shows its end; its process id may remain until it is reaped.
    const connection = connect(Number(port), '127.0.0.1');
    await once(connection, 'connect');
    parent.kill('SIGKILL');
    await once(connection.resume(), 'close');
  });
});
