import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as settled } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Config } from '../../../src/config/schema/schema.ts';
import { readConfig } from '../../../src/main/config-reading.ts';
import { createReloading } from '../../../src/main/reloading.ts';
import { createFileWatch } from '../../../src/main/watch.ts';
import { minimal } from '../config/sample.ts';
import { collectLog } from '../log-lines.ts';

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coatcheck-watch-'));
  file = join(folder, 'coatcheck.yaml');
  await configure({});
});

afterEach(() => rm(folder, { recursive: true }));

const configure = (changes: object) => writeFile(file, JSON.stringify({ ...minimal, ...changes }));

/** Loads the file and watches it; `look` looks as often as given. */
function open() {
  const reloads: Config[] = [];
  let failures = 0;
  const read = () => readConfig(file, (config) => config);
  const reloading = createReloading({
    file,
    texts: read().texts,
    read: async () => read(),
    service: {
      reload: async (config) => void reloads.push(config),
      reloadFailed: () => void (failures += 1),
    },
    log: collectLog().log,
  });
  const watch = createFileWatch({
    paths: reloading.paths,
    haveChanged: reloading.haveFilesChanged,
    onChange: reloading.reload,
  });
  const look = async (times: number) => {
    for (let time = 0; time < times; time += 1) {
      await watch.look();
      await settled();
    }
  };
  return { reloads, reload: reloading.reload, failures: () => failures, look };
}

describe('watching the files of the configuration', () => {
  it('reloads when a file changed after it was read and before the first look', async () => {
    const { reloads, look } = open();
    await configure({ log: { level: 'warn' } });
    await look(2);
    expect(reloads).toMatchObject([{ log: { level: 'warn' } }]);
  });

  it('waits until the files stay the same', async () => {
    const { reloads, look } = open();
    await look(2);
    for (const seconds of [10, 20, 30]) {
      await configure({ shutdownTimeout: `${seconds}s`, log: { level: 'warn' } });
      await utimes(file, seconds, seconds);
      await look(1);
    }
    expect(reloads).toEqual([]);
    await look(1);
    expect(reloads).toMatchObject([{ shutdownTimeout: 30_000 }]);
  });

  it('reloads once for a change that names a further file, and again when that file changes', async () => {
    const { reloads, look } = open();
    const secret = join(folder, 'secret');
    await writeFile(secret, 'secret-of-the-client');
    await configure({ provider: { ...minimal.provider, clientSecret: `\${file:${secret}}` } });
    await look(6);
    expect(reloads).toHaveLength(1);
    await writeFile(secret, 'next-secret-of-the-client');
    await look(6);
    expect(reloads).toHaveLength(2);
    expect(reloads[1]?.provider).toMatchObject({ clientSecret: 'next-secret-of-the-client' });
  });

  it('does not reload what a signal has reloaded, nor a file whose content is the same', async () => {
    const { reloads, reload, look } = open();
    await look(2);
    await configure({ log: { level: 'warn' } });
    reload();
    await look(2);
    await utimes(file, 1, 1);
    await look(2);
    expect(reloads).toHaveLength(1);
  });

  it('reloads when the file of login.errorPage changes, and keeps the former page when it is invalid', async () => {
    const errorPage = join(folder, 'error.html');
    await writeFile(errorPage, '<h1>{{title}}</h1>');
    await configure({ login: { errorPage } });
    const { reloads, failures, look } = open();
    await writeFile(errorPage, '<h1>{{reason}}</h1>');
    await look(2);
    expect(failures()).toBe(1);
    const html = '<h1>new: {{title}}</h1>';
    await writeFile(errorPage, html);
    await look(2);
    expect(reloads).toMatchObject([{ login: { errorPage: { html } } }]);
    await rm(errorPage);
    await look(2);
    expect(failures()).toBe(2);
  });
});
